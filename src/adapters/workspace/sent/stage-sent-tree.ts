import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError, messageOf } from '../../../base/errors.ts';
import { copyIfThere } from '../../../base/files/copy-if-there.ts';
import { linkTree } from '../../../base/files/link-tree.ts';
import type { Logger } from '../../../base/log.ts';
import { SENT_COMMIT, SENT_REF } from '../../../protocol/workspace-state.ts';
import type { GitCall } from '../git/git-command.ts';
import { looseObject } from '../git/loose-object.ts';
import { nulList } from '../git/nul-list.ts';
import { quotePath, type StagedRepository } from '../git/staged-repository.ts';
import type { TrackedFiles } from '../git/tracked-files.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import { parseTree, type TreeEntry } from './tree-changes.ts';

/** What of the working tree the guest gets, apart from what its index says. */
export interface Sent
  extends Abortable,
    Pick<TrackedFiles, 'changed' | 'deleted' | 'uncheckedPresent' | 'filtered'> {
  /** names of untracked files, each ended by NUL */
  untracked: Buffer;
  /** a tree from which it differs by these files; default: the staged index */
  from?: Pick<SentTree, 'indexPath' | 'objectsPath' | 'indexTree'>;
}

/** The tree that is sent, as git stores it. */
export interface SentTree {
  commit: string;
  /** a copy of the staged index whose entries are those of the tree */
  indexPath: string;
  /** object folder with what the user's repository lacks of it */
  objectsPath: string;
  /** the tree of the staged index; absent in the middle of a merge */
  indexTree?: string;
  /** as `KeptFacts` has them */
  unchecked: ReadonlyMap<string, TreeEntry>;
  deleted: readonly string[];
  /** whether there are files with a filter */
  hasFiltered: boolean;
}

/**
 * Adds the tree that is sent to the staged `.git`, as the commit that `protocol/workspace-state.ts`
 * describes: what differs from it in the guest later is the guest's work. Needs the refreshed index. Best
 * effort, because git cannot store every file (one in the wrong encoding, for example): without the commit
 * the guest counts as changed.
 */
export async function stageSentTree(
  work: WorkspaceWork,
  { log, ...sent }: Sent & { log: Logger },
): Promise<SentTree | undefined> {
  try {
    return await stageSentTreeOrThrow(work, sent);
  } catch (error) {
    sent.signal.throwIfAborted();
    if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
    log.warn('git cannot store the tree that is sent', { error: messageOf(error) });
    return undefined;
  }
}

/**
 * A copy of the index and an object folder of its own keep both the user's repository and the staged index
 * unchanged.
 */
export async function stageSentTreeOrThrow(
  { repository, staged, folder }: WorkspaceWork,
  { untracked, changed, deleted, uncheckedPresent, filtered, from, signal }: Sent,
): Promise<SentTree> {
  const indexPath = join(folder, 'sent-index');
  const objectsPath = join(folder, 'sent-objects');
  // Another attempt may have left some.
  await mkdir(objectsPath, { recursive: true });
  // A repository in which nothing was ever added has no index.
  await copyIfThere(from?.indexPath ?? join(staged.gitDir, 'index'), indexPath);
  if (from) {
    await linkTree(from.objectsPath, objectsPath);
    // By the time of the index, git knows which files may have changed within the second in which it looked.
    const { atime, mtime } = await stat(from.indexPath);
    await utimes(indexPath, atime, mtime);
  }
  const git = async (
    args: readonly string[],
    { index = indexPath, ...call }: Pick<GitCall, 'input' | 'okCodes'> & { index?: string } = {},
  ): Promise<string> => {
    const env = {
      GIT_INDEX_FILE: index,
      GIT_OBJECT_DIRECTORY: objectsPath,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(join(repository.commonDir, 'objects')),
    };
    const { stdout } = await staged.git.run(args, { ...call, signal, env });
    return stdout.toString('latin1').trim();
  };
  // Packing fails when an object is missing, unless the repository is a partial clone.
  const writeTree = (okCodes = [0]): Promise<string> => git(['write-tree', '--missing-ok'], { okCodes });
  const stored = Buffer.concat([namesOf(changed), untracked]);
  const isClean = !from && deleted.length === 0 && stored.length === 0;
  const indexTree = from ? (from.indexTree ?? '') : await writeTree(isClean ? [0] : [0, 128]);
  // First, because a file may have taken the place of a deleted folder, or a folder that of a deleted file.
  if (deleted.length > 0) {
    await git(['update-index', '--force-remove', '-z', '--stdin'], { input: namesOf(deleted) });
  }
  if (stored.length > 0) {
    const args = ['-c', 'core.safecrlf=false', 'update-index', '--add', '-z', '--stdin'];
    await git(args, { input: stored });
  }
  const tree = isClean ? indexTree : await writeTree();
  const unchecked = await hashUnchecked(uncheckedPresent, (args, call) =>
    git(args, { ...call, index: join(folder, 'unchecked') }),
  );
  const commit = await writeCommit(objectsPath, commitText(tree, staged.head.commit), staged);
  await mkdir(dirname(join(staged.gitDir, SENT_REF)), { recursive: true });
  await writeFile(join(staged.gitDir, SENT_REF), `${commit}\n`);
  return {
    ...{ commit, indexPath, objectsPath, unchecked, deleted, hasFiltered: filtered.length > 0 },
    ...(indexTree === '' ? {} : { indexTree }),
  };
}

/** The entries of files that the index does not describe. */
async function hashUnchecked(
  paths: readonly string[],
  git: (args: readonly string[], call?: Pick<GitCall, 'input'>) => Promise<string>,
): Promise<ReadonlyMap<string, TreeEntry>> {
  if (paths.length === 0) return new Map();
  await git(['update-index', '--add', '--info-only', '-z', '--stdin'], { input: namesOf(paths) });
  return parseTree(Buffer.from(await git(['ls-files', '--stage', '-z']), 'latin1'));
}

/** The folders of the objects of the tree that is sent, as git reads them from its environment. */
export function objectFolders({ repository }: WorkspaceWork, sent: SentTree | undefined): string {
  const folders = [...(sent ? [sent.objectsPath] : []), join(repository.commonDir, 'objects')];
  return folders.map(quotePath).join(':');
}

/** Writes a loose object, as git does, and returns its name. */
async function writeCommit(objectsPath: string, text: string, staged: StagedRepository): Promise<string> {
  const { name, encoded } = looseObject('commit', Buffer.from(text), staged);
  const folder = join(objectsPath, name.slice(0, 2));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name.slice(2)), deflateSync(encoded), { mode: 0o444 });
  return name;
}

function commitText(tree: string, parent: string | undefined): string {
  const { message, person, date } = SENT_COMMIT;
  return [
    `tree ${tree}`,
    ...(parent === undefined ? [] : [`parent ${parent}`]),
    `author ${person} ${date}`,
    `committer ${person} ${date}`,
    '',
    `${message}\n`,
  ].join('\n');
}

function namesOf(paths: readonly string[]): Buffer {
  return Buffer.from(nulList(paths), 'latin1');
}
