import { type ConfigEntry, configValue, type Setting, splitConfigKey } from './git-config.ts';
import { withoutCredentials } from './remote-url.ts';

/**
 * What of the host's effective configuration a guest gets, by section: what decides about the content of the index and the working
 * tree, about what status, diff and log print, about who commits, and where branches and remotes are. A list of what may go, not of what may
 * not: credentials, aliases, hooks, filters, signing keys and programs stay on the host.
 */
const CARRIED: Readonly<Record<string, readonly string[]>> = {
  core: [
    ...['autocrlf', 'eol', 'safecrlf', 'filemode', 'symlinks', 'ignorecase', 'precomposeunicode'],
    ...['protecthfs', 'protectntfs', 'quotepath', 'whitespace', 'checkroundtripencoding', 'bigfilethreshold'],
    ...['abbrev', 'commentchar', 'sparsecheckout', 'sparsecheckoutcone'],
  ],
  index: ['sparse'],
  user: ['name', 'email'],
  author: ['name', 'email'],
  committer: ['name', 'email'],
  init: ['defaultbranch'],
  i18n: ['commitencoding', 'logoutputencoding'],
  status: [
    ...['short', 'branch', 'aheadbehind', 'relativepaths', 'showuntrackedfiles', 'showstash'],
    ...['displaycommentprefix', 'renames', 'renamelimit'],
  ],
  diff: [
    ...[
      'algorithm',
      'context',
      'interhunkcontext',
      'indentheuristic',
      'mnemonicprefix',
      'noprefix',
      'srcprefix',
    ],
    ...[
      'dstprefix',
      'renames',
      'renamelimit',
      'relative',
      'suppressblankempty',
      'wserrorhighlight',
      'wordregex',
    ],
    ...['colormoved', 'colormovedws', 'dirstat', 'statgraphwidth', 'statnamewidth'],
  ],
  log: ['date', 'decorate', 'abbrevcommit', 'follow', 'mailmap', 'showroot', 'diffmerges'],
  format: ['pretty'],
  merge: ['conflictstyle', 'ff', 'renames', 'renamelimit', 'directoryrenames'],
  pull: ['rebase', 'ff'],
  push: ['default', 'autosetupremote', 'followtags'],
  fetch: ['prune'],
  rebase: ['autosquash', 'autostash', 'updaterefs'],
  commit: ['cleanup', 'verbose'],
  branch: ['sort'],
  tag: ['sort'],
  remote: ['pushdefault'],
};

/** The same for `section.<name>.variable`. */
const CARRIED_OF_EACH: Readonly<Record<string, readonly string[]>> = {
  branch: ['remote', 'merge', 'rebase', 'pushremote', 'description'],
  remote: ['url', 'pushurl', 'fetch', 'tagopt', 'prune'],
  // The driver's own programs, `command` and `textconv`, stay behind.
  diff: ['binary', 'funcname', 'xfuncname', 'wordregex'],
};

/** Those whose values add up instead of replacing each other. */
const MULTI_VALUED = /^(remote\..*\.(url|pushurl|fetch)|branch\..*\.merge)$/s;

/** What the guest's `.git` is, besides its settings. */
export interface GuestRepositoryFacts {
  objectFormat: string;
  /** the remote that can give what a partial clone lacks */
  promisorRemote?: string;
  /** path of the attributes file of the host's user, as seen from the top of the working tree */
  attributesFile?: string;
}

/**
 * How the guest's git tells whether a file is as the index says: by size and modification time, for inode, owner and change time are the
 * guest's own.
 */
export const GUEST_STAT_RULES = [
  { key: 'core.checkstat', value: 'minimal' },
  { key: 'core.trustctime', value: 'false' },
] as const;

/** The settings of the guest's repository from the host's effective ones. Pure; all text is latin1. */
export function guestConfig(host: readonly ConfigEntry[], facts: GuestRepositoryFacts): Setting[] {
  const isPlain = facts.objectFormat === 'sha1' && facts.promisorRemote === undefined;
  return bySection([
    { key: 'core.repositoryformatversion', value: isPlain ? '0' : '1' },
    { key: 'core.bare', value: 'false' },
    ...GUEST_STAT_RULES,
    ...setting('core.attributesfile', facts.attributesFile),
    ...setting('extensions.objectformat', facts.objectFormat === 'sha1' ? undefined : facts.objectFormat),
    ...promisorSettings(host, facts.promisorRemote),
    ...carried(host),
  ]);
}

/** Brings each section's entries together and keeps their order. */
function bySection(entries: Setting[]): Setting[] {
  return [...Map.groupBy(entries, ({ key }) => key.slice(0, key.lastIndexOf('.'))).values()].flat();
}

/** The remote that a partial clone was made from, if this is one. */
export function promisorRemote(host: readonly ConfigEntry[]): string | undefined {
  const named = configValue(host, 'extensions.partialclone');
  if (named !== undefined) return named;
  const promisor = host.findLast(({ key }) => /^remote\..+\.promisor$/s.test(key));
  return promisor && !/^(false|no|off|0|)$/i.test(promisor.value ?? 'true')
    ? splitConfigKey(promisor.key).subsection
    : undefined;
}

function carried(host: readonly ConfigEntry[]): Setting[] {
  const kept = new Map<string, Setting[]>();
  for (const { key, value } of host) {
    if (!isCarried(key)) continue;
    const entry = value === undefined ? { key } : { key, value: carriedValue(key, value) };
    kept.set(key, MULTI_VALUED.test(key) ? [...(kept.get(key) ?? []), entry] : [entry]);
  }
  return [...kept.values()].flat();
}

function isCarried(key: string): boolean {
  const { section, subsection, variable } = splitConfigKey(key);
  const list = subsection === undefined ? CARRIED : CARRIED_OF_EACH;
  return Object.hasOwn(list, section) && (list[section]?.includes(variable) ?? false);
}

function carriedValue(key: string, value: string): string {
  return /^remote\..*\.(url|pushurl)$/s.test(key) ? withoutCredentials(value) : value;
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
