import { chmod, lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isErrno } from '../../../../base/errors.ts';
import { bytePath } from '../../byte-path.ts';
import { nulList } from '../../git/nul-list.ts';
import { lookAt } from '../merge/host-side.ts';
import type { PlannedStep } from '../merge/planned-step.ts';
import type { PullGit } from '../pull-git.ts';
import { digestOfFile } from './file-digest.ts';
import { contentsDir, type JournalStep, type PullJournal } from './pull-journal.ts';

/** Permissions of a new file before the umask. */
const NEW_FILE = 0o666;

/**
 * Makes the folder of a pull's contents in the git folder, and deletes those there that no journal names.
 *
 * @throws {AppError} WORKSPACE_PULL_FAILED when `banger` in the git folder is no folder
 */
export async function makeContentsDir(
  pull: Pick<PullJournal, 'gitDir' | 'id'>,
  { keep }: { keep: readonly string[] },
): Promise<void> {
  const parent = join(pull.gitDir, 'banger');
  const found = await lookAt(Buffer.from(parent));
  // A repository may come from others, and a link there could lead anywhere.
  if (found && found.kind !== 'folder') {
    throw new AppError('WORKSPACE_PULL_FAILED', `Cannot pull into this repository: "${parent}" is no folder`);
  }
  await mkdir(parent, { recursive: true, mode: 0o700 });
  for (const name of await readdir(parent)) {
    if (/^pull-[0-9a-f]{16}$/.test(name) && !keep.includes(name.slice(5))) {
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
  const dir = contentsDir(pull);
  await mkdir(dir, { mode: 0o700 });
  await mkdir(join(dir, 'old'), { mode: 0o700 });
  await mkdir(join(dir, 'new'), { mode: 0o700 });
}

/**
 * Writes the files of a plan to the folder of its contents, with line ends as the working tree has them, and
 * with the permissions of the files that they replace. Returns the steps of the journal, deletions first.
 */
export async function stageContents(
  git: PullGit,
  pull: Pick<PullJournal, 'gitDir' | 'id'>,
  { steps, umask, signal }: Abortable & { steps: readonly PlannedStep[]; umask: number },
): Promise<JournalStep[]> {
  const written = steps.filter(({ entry }) => entry !== undefined);
  const newDir = join(contentsDir(pull), 'new');
  if (written.length > 0) {
    const lines = written.map(({ entry, path }) => `${entry?.mode} ${entry?.object}\t${path}\0`);
    const input = Buffer.from(lines.join(''), 'latin1');
    await git.run(['update-index', '--add', '--replace', '-z', '--index-info'], { signal, input });
    const names = Buffer.from(nulList(written.map(({ path }) => path)), 'latin1');
    await git.run(['checkout-index', '-z', '--stdin', `--prefix=${newDir}/`], { signal, input: names });
  }
  const deleted = steps
    .filter(({ entry }) => entry === undefined)
    .map(({ path, before }): JournalStep => ({ path, ...(before ? { before } : {}) }));
  const made: JournalStep[] = [];
  for (const { path, entry, before } of written) {
    signal.throwIfAborted();
    const file = bytePath(newDir, path);
    if (entry?.mode !== '120000') await chmod(file, modeOf(before?.mode, entry?.mode === '100755', umask));
    const found = await lookAt(file);
    if (found?.kind !== 'file' && found?.kind !== 'link') throw notStaged(path);
    const after = { ...found.stamp, digest: await digestOfFile(file, found.kind) };
    made.push({ path, ...(before ? { before } : {}), after });
  }
  return [...deleted, ...made];
}

/** Folders that carrying out the steps makes, parents first. */
export async function foldersToMake(root: string, steps: readonly JournalStep[]): Promise<string[]> {
  const missing = new Set<string>();
  const present = new Set<string>();
  for (const { path, after } of steps) {
    if (!after) continue;
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      const folder = path.slice(0, end);
      if (missing.has(folder) || present.has(folder)) continue;
      (await isFolder(bytePath(root, folder))) ? present.add(folder) : missing.add(folder);
    }
  }
  return [...missing].sort();
}

/** Permissions of a file: those that it had, or a new file's; never more than reading, writing, executing. */
function modeOf(before: number | undefined, isExecutable: boolean, umask: number): number {
  const plain = (before === undefined ? NEW_FILE & ~umask : before & 0o777) & ~0o111;
  return isExecutable ? plain | ((plain & 0o444) >> 2) : plain;
}

async function isFolder(path: Buffer): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

function notStaged(path: string): AppError {
  return new AppError('WORKSPACE_PULL_FAILED', 'Cannot pull from the guest: git wrote no file for a path', {
    details: { path },
  });
}
