import { type ConfigEntry, configValue, type Setting, splitConfigKey } from '../../base/git/config-text.ts';
import { harmlessSettings } from '../../base/git/harmless-settings.ts';
import { ASK_AGENT } from '../../protocol/workspace-state.ts';

/** Facts about the guest's `.git` that its settings depend on. */
export interface GuestRepositoryFacts {
  objectFormat: string;
  /** the remote that can supply what a partial clone lacks */
  promisorRemote?: string;
  /** path of the attributes file of the host's user, relative to the top of the working tree */
  attributesFile?: string;
  /** number of tracked files; absent: few */
  trackedCount?: number;
}

/**
 * A repository with so many tracked files has its git ask the agent which ones have changed. Asking takes an
 * emulated guest as long as looking at some thousand files.
 */
const WATCHED_FILES = 10_000;

/** Whether git in the guest asks the agent which files have changed. */
export function isWatched({ trackedCount = 0 }: Pick<GuestRepositoryFacts, 'trackedCount'>): boolean {
  return trackedCount >= WATCHED_FILES;
}

/**
 * How the guest's git decides whether a file matches the index: by size and modification time, because inode,
 * owner and change time differ in the guest.
 */
export const GUEST_STAT_RULES = [
  { key: 'core.checkstat', value: 'minimal' },
  { key: 'core.trustctime', value: 'false' },
] as const;

/** The settings of the guest's repository, from the host's effective ones. Pure; all text is latin1. */
export function guestConfig(host: readonly ConfigEntry[], facts: GuestRepositoryFacts): Setting[] {
  const isPlain = facts.objectFormat === 'sha1' && facts.promisorRemote === undefined;
  return bySection([
    { key: 'core.repositoryformatversion', value: isPlain ? '0' : '1' },
    { key: 'core.bare', value: 'false' },
    ...GUEST_STAT_RULES,
    ...setting('core.attributesfile', facts.attributesFile),
    ...setting('core.fsmonitor', isWatched(facts) ? ASK_AGENT : undefined),
    ...setting('extensions.objectformat', facts.objectFormat === 'sha1' ? undefined : facts.objectFormat),
    ...promisorSettings(host, facts.promisorRemote),
    ...harmlessSettings(host),
  ]);
}

/** Groups the entries by section and keeps their order. */
function bySection(entries: Setting[]): Setting[] {
  return [...Map.groupBy(entries, ({ key }) => key.slice(0, key.lastIndexOf('.'))).values()].flat();
}

/** The remote that this partial clone was made from; `undefined` for other repositories. */
export function promisorRemote(host: readonly ConfigEntry[]): string | undefined {
  const named = configValue(host, 'extensions.partialclone');
  if (named !== undefined) return named;
  const promisor = host.findLast(({ key }) => /^remote\..+\.promisor$/s.test(key));
  return promisor && !/^(false|no|off|0|)$/i.test(promisor.value ?? 'true')
    ? splitConfigKey(promisor.key).subsection
    : undefined;
}

function promisorSettings(host: readonly ConfigEntry[], remote: string | undefined): Setting[] {
  if (remote === undefined) return [];
  return [
    { key: 'extensions.partialclone', value: remote },
    { key: `remote.${remote}.promisor`, value: 'true' },
    ...setting(
      `remote.${remote}.partialclonefilter`,
      configValue(host, `remote.${remote}.partialclonefilter`),
    ),
  ];
}

function setting(key: string, value: string | undefined): Setting[] {
  return value === undefined ? [] : [{ key, value }];
}
