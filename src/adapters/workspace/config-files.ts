import { join, resolve } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import {
  CONFIG_LIST_ARGS,
  type ConfigEntry,
  configValue,
  formatConfig,
  parseConfigList,
} from '../../base/git/config-text.ts';
import type { HostRepository } from './git/git-repository.ts';
import { elsewhereError } from './git/own-git-folder.ts';
import { countIndexed } from './git/quick-look.ts';
import { guestConfig, promisorRemote } from './guest-config.ts';
import { readSmallFile } from './small-file.ts';
import { allEnded } from './task-group.ts';
import { isInRepository, isOfUser, readUserPatterns, type UserPatterns } from './user-patterns.ts';

/** Name inside `.git` for the attributes that the host's user has outside of the repository. */
export const USER_ATTRIBUTES = 'info/user-attributes';

/** Name inside `.git` for the commits at which history ends. */
export const SHALLOW = 'shallow';

/** What the host's configuration makes of the guest's `.git`. */
export interface ConfigFiles {
  /** files of the guest's `.git`, by their names in it */
  files: Map<string, Buffer>;
  /** the host's settings that count */
  config: readonly ConfigEntry[];
}

/**
 * Reads what the host has configured, and returns the files with which the guest's `.git` says the same:
 * settings, ignore rules, attributes, where history ends, and which part of the tree is checked out. Changes
 * nothing.
 *
 * @throws {AppError} WORKSPACE_GIT_ELSEWHERE, WORKSPACE_GIT_FAILED, WORKSPACE_FILE_TOO_LARGE
 */
export async function readConfigFiles(
  repository: HostRepository,
  { userGitDir, signal }: Abortable & { userGitDir: string },
): Promise<ConfigFiles> {
  const [config, listed, trackedCount] = await allEnded([
    readConfig(repository, { signal }),
    readListed(repository),
    countIndexed(repository),
  ]);
  requireOwnRefs(repository.root, config);
  const patterns = await readUserPatterns(repository, { config, userGitDir, signal });
  const remote = promisorRemote(config);
  const guest = guestConfig(config, {
    objectFormat: repository.objectFormat,
    trackedCount,
    ...(remote === undefined ? {} : { promisorRemote: remote }),
    ...(patterns.attributes.length > 0 ? { attributesFile: `.git/${USER_ATTRIBUTES}` } : {}),
  });
  const text = Buffer.from(formatConfig(guest), 'latin1');
  return { files: new Map([['config', text], ...listed, ...patternFiles(patterns)]), config };
}

/** The file {@link SHALLOW} of a guest whose history also ends at `cutAt`; `undefined` when it needs none. */
export function shallowFile(own: Buffer | undefined, cutAt: readonly string[]): Buffer | undefined {
  if (cutAt.length === 0) return own;
  return Buffer.concat([own ?? Buffer.alloc(0), ...cutAt.map((commit) => Buffer.from(`${commit}\n`))]);
}

/**
 * The effective settings, without those that the repository's own configuration includes from outside of the
 * repository. A repository from others could include another repository's settings, and the guest would get
 * its remotes and branches.
 */
async function readConfig(repository: HostRepository, { signal }: Abortable): Promise<ConfigEntry[]> {
  const { stdout } = await repository.git.run(CONFIG_LIST_ARGS, { signal });
  const entries = parseConfigList(stdout);
  const own = await ownOrigins(repository, entries);
  return entries.filter(({ scope, origin }) => isOfUser(scope) || own.has(origin));
}

/** Newer versions of git accept a URI of a folder for refs in `extensions.refStorage`. */
function requireOwnRefs(root: string, config: readonly ConfigEntry[]): void {
  const storage = configValue(config, 'extensions.refstorage') ?? 'files';
  if (/^[a-z]*$/i.test(storage)) return;
  throw elsewhereError({
    root,
    what: 'extensions.refStorage',
    target: storage,
    why: 'refs must be in the repository itself',
    hint: 'make a self-contained copy with git clone',
  });
}

/** The origins of `entries` that are files of the repository itself. */
async function ownOrigins(
  repository: HostRepository,
  entries: readonly ConfigEntry[],
): Promise<ReadonlySet<string>> {
  const own = new Set<string>();
  for (const origin of new Set(
    entries.filter(({ scope }) => !isOfUser(scope)).map((entry) => entry.origin),
  )) {
    if (!origin.startsWith('file:')) continue;
    const path = resolve(repository.root, Buffer.from(origin.slice(5), 'latin1').toString('utf8'));
    if (await isInRepository(path, repository)) own.add(origin);
  }
  return own;
}

/** Where history ends, and which part of the tree is checked out. */
async function readListed({ commonDir, gitDir }: HostRepository): Promise<[name: string, Buffer][]> {
  const sources = [
    [commonDir, SHALLOW],
    [commonDir, 'info/grafts'],
    [gitDir, 'info/sparse-checkout'],
  ] as const;
  const found: [string, Buffer][] = [];
  for (const [from, name] of sources) {
    const content = await readSmallFile(join(from, name), { followLink: false });
    if (content) found.push([name, content]);
  }
  return found;
}

function patternFiles(patterns: UserPatterns): [name: string, Buffer][] {
  const files: [string, Buffer][] = [
    ['info/exclude', patterns.exclude],
    ['info/attributes', patterns.repositoryAttributes],
    [USER_ATTRIBUTES, patterns.attributes],
  ];
  return files.filter(([, content]) => content.length > 0);
}
