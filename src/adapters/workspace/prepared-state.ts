import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { isAppError, isErrno, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { NO_COMMIT, PREPARED_STATE, STATE_FOLDER } from '../../protocol/workspace-state.ts';
import type { GitCall } from './git/git-command.ts';
import { quotePath } from './git/staged-repository.ts';
import type { TrackedFiles } from './git/tracked-files.ts';
import type { WorkspaceWork } from './workspace-work.ts';

/** What of the working tree the guest gets, apart from what its index says. */
interface Sent extends Abortable, Pick<TrackedFiles, 'changed' | 'deleted'> {
  /** names of untracked files, each ended by NUL */
  untracked: Buffer;
}

/**
 * Notes in the staged `.git` which state the guest starts from (`protocol/workspace-state.ts`), so that the
 * guest can say later whether it has changes. Needs the refreshed index. Best effort: without the note the
 * guest counts as changed.
 */
export async function notePreparedState(
  work: WorkspaceWork,
  { log, ...sent }: Sent & { log: Logger },
): Promise<void> {
  const { gitDir, head } = work.staged;
  try {
    const tree = await treeOfFiles(work, sent);
    await mkdir(join(gitDir, STATE_FOLDER), { recursive: true });
    await writeFile(join(gitDir, PREPARED_STATE), `${head.commit ?? NO_COMMIT} ${tree}\n`);
  } catch (error) {
    sent.signal.throwIfAborted();
    if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
    log.debug('the state of a working tree is not known', { error: messageOf(error) });
  }
}

/**
 * The tree of the files that are sent. A copy of the index and an object folder of its own keep both the
 * user's repository and what the guest gets unchanged. Files are only hashed, not stored: they can be large.
 */
async function treeOfFiles(
  { repository, staged, folder }: WorkspaceWork,
  { untracked, changed, deleted, signal }: Sent,
): Promise<string> {
  const index = join(folder, 'state-index');
  const objects = join(folder, 'state-objects');
  await mkdir(objects);
  await copyIfThere(join(staged.gitDir, 'index'), index);
  const git = async (args: readonly string[], call: Pick<GitCall, 'input'> = {}): Promise<Buffer> => {
    const env = {
      GIT_INDEX_FILE: index,
      GIT_OBJECT_DIRECTORY: objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(join(repository.commonDir, 'objects')),
    };
    return (await staged.git.run(args, { ...call, signal, env })).stdout;
  };
  // First, because a file may have taken the place of a deleted folder, or a folder that of a deleted file.
  if (deleted.length > 0) {
    await git(['update-index', '--force-remove', '-z', '--stdin'], { input: namesOf(deleted) });
  }
  const hashed = Buffer.concat([namesOf(changed), untracked]);
  if (hashed.length > 0) {
    await git(['update-index', '--add', '--info-only', '-z', '--stdin'], { input: hashed });
  }
  // The objects of the hashed files are missing.
  return (await git(['write-tree', '--missing-ok'])).toString('latin1').trim();
}

function namesOf(paths: readonly string[]): Buffer {
  return Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1');
}

/** A repository in which nothing was ever added has no index. */
async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await copyFile(from, to);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
