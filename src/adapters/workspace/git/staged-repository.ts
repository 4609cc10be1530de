import { createWriteStream } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { type ConfigEntry, configValue } from '../../../base/git/config-text.ts';
import { readConfigFiles, SHALLOW, USER_ATTRIBUTES } from '../config-files.ts';
import { promisorRemote } from '../guest-config.ts';
import { fileTooLarge, openRegularFile } from '../small-file.ts';
import { allEnded } from '../task-group.ts';
import { type Git, gitAt, hostGitEnvironment, NO_PROGRAMS } from './git-command.ts';
import type { HostRepository } from './git-repository.ts';
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
  /** the file `shallow` of the user's repository */
  shallow?: Buffer;
  /** the object name that stands for no object */
  nullObject: string;
}

/** Enough for two million files, more than git itself handles well. */
const MAX_INDEX_BYTES = 256 * 1024 * 1024;

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
  const [{ files, config }, head] = await allEnded([
    readConfigFiles(repository, { userGitDir, signal }),
    readHead(repository, { signal }),
    copyIndex(repository, gitDir),
  ]);
  for (const [name, content] of files) await writeFile(join(gitDir, name), content);
  await writeFile(join(gitDir, 'HEAD'), `${head.ref ? `ref: ${head.ref}` : head.commit}\n`, 'latin1');
  const settings = hostOnlySettings(config);
  const shallow = files.get(SHALLOW);
  return {
    gitDir,
    head,
    isPartial: promisorRemote(config) !== undefined,
    git: gitAt({
      folder: repository.root,
      env: stagedEnvironment(repository, { env, home, gitDir }),
      config: [...NO_PROGRAMS, ...settings, `core.attributesfile=${join(gitDir, USER_ATTRIBUTES)}`],
    }),
    settings,
    ...(stamp === undefined ? {} : { indexStamp: stamp }),
    ...(shallow ? { shallow } : {}),
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
