import { createWriteStream } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import {
  CONFIG_LIST_ARGS,
  type ConfigEntry,
  configValue,
  formatConfig,
  parseConfigList,
} from '../../../base/git/config-text.ts';
import { guestConfig, promisorRemote } from '../guest-config.ts';
import { fileTooLarge, openRegularFile, readSmallFile } from '../small-file.ts';
import { allEnded } from '../task-group.ts';
import { isInRepository, isOfUser, readUserPatterns, type UserPatterns } from '../user-patterns.ts';
import { type Git, gitAt, hostGitEnvironment, NO_PROGRAMS } from './git-command.ts';
import type { HostRepository } from './git-repository.ts';
import { elsewhereError } from './own-git-folder.ts';
import { indexStamp } from './quick-look.ts';

/** Where HEAD points. */
export interface Head {
  /** absent on a branch without commits */
  commit?: string;
  /** full name of the branch; absent when HEAD is detached */
  ref?: string;
}

/**
 * The guest's `.git` while it is made, in a temporary folder. On the host it is a repository of its own over
 * the user's working tree: git commands that read the index or file contents run in it, so they see only our
 * settings and write nothing of the user's.
 */
export interface StagedRepository {
  gitDir: string;
  head: Head;
  /** true when objects may be missing because the repository is a partial clone */
  isPartial: boolean;
  git: Git;
  /** settings of our own git commands over the working tree, as `key=value` */
  settings: readonly string[];
  /** {@link indexStamp} of the user's index, from before it was copied */
  indexStamp?: string;
  /** the object name that stands for no object */
  nullObject: string;
}

/** Enough for two million files, more than git itself handles well. */
const MAX_INDEX_BYTES = 256 * 1024 * 1024;

/** Name inside `.git` for the attributes that the host's user has outside of the repository. */
export const USER_ATTRIBUTES = 'info/user-attributes';

/**
 * Creates the guest's `.git` in `folder`, except for refs and objects. Changes nothing in the
 * user's repository. The caller removes `folder`, also after a failure.
 *
 * @throws {AppError} WORKSPACE_GIT_ELSEWHERE, WORKSPACE_GIT_FAILED, WORKSPACE_FILE_TOO_LARGE
 */
export async function stageRepository(
  repository: HostRepository,
  options: Abortable & {
    folder: string;
    /** a folder without git's settings of a user */
    home: string;
    env: NodeJS.ProcessEnv;
    userGitDir: string;
  },
): Promise<StagedRepository> {
  const { folder, home, env, userGitDir, signal } = options;
  const gitDir = join(folder, '.git');
  for (const name of ['objects/pack', 'objects/info', 'refs/heads', 'refs/tags', 'info']) {
    await mkdir(join(gitDir, name), { recursive: true });
  }
  const stamp = await indexStamp(repository);
  const [config, head] = await allEnded([
    readConfig(repository, { signal }),
    readHead(repository, { signal }),
    copyIndex(repository, gitDir),
    copyListed(repository, gitDir),
  ]);
  requireOwnRefs(repository.root, config);
  const patterns = await readUserPatterns(repository, { config, userGitDir, signal });
  const remote = promisorRemote(config);
  await writePatterns(patterns, gitDir);
  const guest = guestConfig(config, {
    objectFormat: repository.objectFormat,
    ...(remote === undefined ? {} : { promisorRemote: remote }),
    ...(patterns.attributes.length > 0 ? { attributesFile: `.git/${USER_ATTRIBUTES}` } : {}),
  });
  await writeFile(join(gitDir, 'config'), formatConfig(guest), 'latin1');
  await writeFile(join(gitDir, 'HEAD'), `${head.ref ? `ref: ${head.ref}` : head.commit}\n`, 'latin1');
  const settings = hostOnlySettings(config);
  return {
    gitDir,
    head,
    isPartial: remote !== undefined,
    git: gitAt({
      folder: repository.root,
      env: stagedEnvironment(repository, { env, home, gitDir }),
      config: [...NO_PROGRAMS, ...settings, `core.attributesfile=${join(gitDir, USER_ATTRIBUTES)}`],
    }),
    settings,
    ...(stamp === undefined ? {} : { indexStamp: stamp }),
    nullObject: '0'.repeat(repository.objectFormat === 'sha256' ? 64 : 40),
  };
}

/**
 * Rewrites the staged index: drops what only this host can use (shared index, monitor's token, list of
 * untracked files) and refreshes it, so that the guest need not read files that were only touched.
 */
export async function refreshIndex(staged: StagedRepository, { signal }: Abortable): Promise<void> {
  if (!(await readdir(staged.gitDir)).includes('index')) return;
  // Status 1 means that some entries differ from their files.
  await staged.git.run(['update-index', '-q', '--unmerged', '--refresh', '--force-write-index'], {
    signal,
    okCodes: [0, 1],
  });
}

/**
 * The entries of the staged `.git` that the guest gets: names in its folder, each ended by NUL; a folder
 * stands for everything in it. HEAD is last, because git does not recognise a folder without it as a
 * repository: an interrupted copy is not mistaken for a repository with all files deleted.
 */
export async function listStaged(
  staged: StagedRepository,
  /** its folder, with a slash at the end; empty for the top */
  prefix: string,
): Promise<string> {
  const names = (await readdir(staged.gitDir)).filter((name) => name !== 'HEAD' && !isSharedIndex(name));
  return [...names.sort(), 'HEAD'].map((name) => `${prefix}.git/${name}\0`).join('');
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

async function readHead(repository: HostRepository, { signal }: Abortable): Promise<Head> {
  const okCodes = [0, 1];
  const [ref, commit] = await allEnded([
    repository.git.run(['symbolic-ref', '-q', 'HEAD'], { signal, okCodes }),
    repository.git.run(['rev-parse', '-q', '--verify', 'HEAD'], { signal, okCodes }),
  ]);
  const text = (output: Buffer): string => output.toString('latin1').trimEnd();
  return {
    ...(ref.code === 0 ? { ref: text(ref.stdout) } : {}),
    ...(commit.code === 0 ? { commit: text(commit.stdout) } : {}),
  };
}

/**
 * The copied index keeps its time, truncated to the second: git reads files again that are as new as the
 * index ("racy git" in git's documentation).
 */
async function copyIndex(repository: HostRepository, gitDir: string): Promise<void> {
  const names = await readdir(repository.gitDir);
  for (const name of names.filter((candidate) => candidate === 'index' || isSharedIndex(candidate))) {
    await using file = await openRegularFile(join(repository.gitDir, name), { followLink: false });
    if (!file) {
      throw new AppError(
        'WORKSPACE_GIT_FAILED',
        `Cannot read the index of "${repository.root}": it is not a regular file of this user`,
        {
          details: { path: join(repository.gitDir, name) },
        },
      );
    }
    const { mtimeMs, size } = await file.stat();
    if (size > MAX_INDEX_BYTES)
      throw fileTooLarge(join(repository.gitDir, name), { size, limit: MAX_INDEX_BYTES });
    const seconds = Math.floor(mtimeMs / 1000);
    await pipeline(
      file.createReadStream({ autoClose: false, end: MAX_INDEX_BYTES }),
      createWriteStream(join(gitDir, name)),
    );
    await utimes(join(gitDir, name), seconds, seconds);
  }
}

/** The base of a split index (git-update-index(1)). */
function isSharedIndex(name: string): boolean {
  return /^sharedindex\.[0-9a-f]+$/.test(name);
}

/** Where history ends, and which part of the tree is checked out. */
async function copyListed(repository: HostRepository, gitDir: string): Promise<void> {
  const sources = [
    [repository.commonDir, 'shallow'],
    [repository.commonDir, 'info/grafts'],
    [repository.gitDir, 'info/sparse-checkout'],
  ] as const;
  for (const [from, name] of sources) {
    const content = await readSmallFile(join(from, name), { followLink: false });
    if (content) await writeFile(join(gitDir, name), content);
  }
}

async function writePatterns(patterns: UserPatterns, gitDir: string): Promise<void> {
  const files = [
    ['info/exclude', patterns.exclude],
    ['info/attributes', patterns.repositoryAttributes],
    [USER_ATTRIBUTES, patterns.attributes],
  ] as const;
  for (const [name, content] of files) {
    if (content.length > 0) await writeFile(join(gitDir, name), content);
  }
}

function stagedEnvironment(
  repository: HostRepository,
  { env, home, gitDir }: { env: NodeJS.ProcessEnv; home: string; gitDir: string },
): NodeJS.ProcessEnv {
  return {
    ...hostGitEnvironment(env),
    GIT_DIR: gitDir,
    GIT_WORK_TREE: repository.root,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(join(repository.commonDir, 'objects')),
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    // No user configuration: git before 2.32 does not know the first variable and looks in the other two.
    GIT_CONFIG_GLOBAL: '/dev/null',
    HOME: home,
    XDG_CONFIG_HOME: home,
  };
}

/** Settings of commands on this host that the guest does not get. */
function hostOnlySettings(config: readonly ConfigEntry[]): string[] {
  return [
    `core.checkstat=${configValue(config, 'core.checkstat') ?? 'default'}`,
    `core.trustctime=${configValue(config, 'core.trustctime') ?? 'true'}`,
    'core.splitindex=false',
    'core.untrackedcache=false',
    // The copy is temporary, so a power cut loses nothing.
    'core.fsync=none',
  ];
}

/**
 * C style quoting, because git reads each path of GIT_ALTERNATE_OBJECT_DIRECTORIES that way when it begins
 * with a quote (git(1)).
 */
export function quotePath(path: string): string {
  return `"${path.replace(/["\\]/g, (character) => `\\${character}`).replaceAll('\n', '\\n')}"`;
}
