import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError, isErrno } from '../../../base/errors.ts';
import type { HostChange } from '../../../core/ports/workspace.ts';
import { type Git, type GitCall, gitAt, hostGitEnvironment, NO_PROGRAMS } from '../git/git-command.ts';
import { listRefs } from '../git/git-refs.ts';
import { INDEX_LISTING_ARGS } from '../git/index-listing.ts';
import { indexStamp, readHeadBranch, readHeadFile } from '../git/quick-look.ts';
import { findAbsent } from '../git/tracked-files.ts';
import { initialised } from '../submodules.ts';
import { allEnded } from '../task-group.ts';
import { findTooling } from '../tooling.ts';
import { countOthers } from '../workspace-work.ts';
import { areGitFilesAsSent } from './git-files.ts';
import { digestOf } from './index-facts.ts';
import { gitOfKept, type KeptTree, keptDir, readKept, refsDigest } from './kept-tree.ts';

/** How to compare. */
interface ChangeCall extends Abortable {
  env: NodeJS.ProcessEnv;
  /** whether a file that was sent is not as it was, when somebody else finds out; not for submodules */
  isEdited?: Promise<boolean>;
}

/**
 * How the working tree differs from the tree that was sent last. Compares HEAD, the names of tracked files,
 * and the files themselves; it reads the content of those whose time or size changed, and of no others. Runs
 * nothing that the repository configures, and writes nothing.
 *
 * Returns `gone` when git can no longer read the working tree.
 */
async function changeSince(
  kept: KeptTree,
  { env, signal, isEdited: known }: ChangeCall,
): Promise<HostChange> {
  if (!(await isFolder(kept.root))) return { kind: 'gone' };
  const user = gitOfUser(kept, { env });
  const own = gitOfKept(kept, { env });
  try {
    const [commit, hasSameNames, isEdited, isAdded, isRestored] = await allEnded([
      headCommit(user, kept, { signal }),
      isIndexUntouched(kept).then((isSame) => isSame || isSameNames(user, kept, { signal })),
      known ?? differs(own, { signal }),
      kept.choice.isWithUntracked
        ? countOthers(own, { signal }).then((count) => count > 0)
        : Promise.resolve(false),
      isAnyPresent(kept, { signal }),
    ]);
    const found = commit === undefined ? {} : { headCommit: commit };
    if (commit !== kept.head.commit) return { kind: 'head', ...found };
    const isSame = !isEdited && !isAdded && !isRestored && hasSameNames;
    return { kind: isSame ? 'none' : 'files', ...found };
  } catch (error) {
    if (isAppError(error, 'WORKSPACE_GIT_FAILED', 'WORKSPACE_GIT_MISSING')) return { kind: 'gone' };
    throw error;
  }
}

/**
 * {@link changeSince} of a working tree whose tree is kept in `dir`, and of the submodules that were sent
 * with it. One that got a repository since, or lost it, counts as a change of files.
 */
export async function changeOfAll(
  dir: string,
  kept: KeptTree,
  { isEdited, ...call }: ChangeCall,
): Promise<HostChange> {
  const change = await changeSince(kept, { ...call, ...(isEdited ? { isEdited } : {}) });
  const { gitlinks = [], submodules = [] } = kept;
  if (change.kind !== 'none' || gitlinks.length === 0 || kept.choice.isWithoutSubmodules) return change;
  if (!isDeepStrictEqual(await initialised(kept, gitlinks), [...submodules]))
    return { ...change, kind: 'files' };
  for (const name of submodules) {
    const own = keptDir(dir, [name]);
    const sub = await readKept(own);
    if (sub && (await changeOfAll(own, sub, call)).kind !== 'none') return { ...change, kind: 'files' };
  }
  return change;
}

/**
 * Whether staged changes, HEAD's branch, the refs, and the settings that the guest gets are as they were
 * sent; false when git can no longer read them, or they can no longer be sent.
 */
export async function isSameRepository(
  kept: KeptTree,
  { env, userGitDir, signal }: Abortable & { env: NodeJS.ProcessEnv; userGitDir: string },
): Promise<boolean> {
  const user = gitOfUser(kept, { env });
  try {
    const [hasSameFiles, hasSameEntries, refs, ref] = await allEnded([
      areGitFilesAsSent(kept, { git: user, userGitDir, signal }),
      isIndexUntouched(kept).then((isSame) => isSame || isSameEntries(user, kept, { signal })),
      listRefs(user, { signal }),
      headRef(user, kept, { signal }),
    ]);
    const sent = kept.head.commit === undefined ? [] : refs;
    const hasSameRefs = refsDigest(sent) === kept.refsDigest && ref === kept.head.ref;
    return hasSameFiles && hasSameEntries && hasSameRefs;
  } catch (error) {
    if (isAppError(error, ...CANNOT_BE_SENT)) return false;
    throw error;
  }
}

/** Errors of reading a repository that sending it would meet as well. */
const CANNOT_BE_SENT = [
  ...['WORKSPACE_GIT_FAILED', 'WORKSPACE_GIT_MISSING'],
  ...['WORKSPACE_GIT_ELSEWHERE', 'WORKSPACE_FILE_TOO_LARGE'],
];

async function headRef(git: Git, kept: KeptTree, { signal }: Abortable): Promise<string | undefined> {
  const { userGitDir } = kept;
  const read = userGitDir === undefined ? undefined : await readHeadBranch({ gitDir: userGitDir });
  if (read) return read.ref;
  const { code, stdout } = await git.run(['symbolic-ref', '-q', 'HEAD'], { signal, okCodes: [0, 1] });
  return code === 0 ? stdout.toString('latin1').trimEnd() : undefined;
}

async function headCommit(git: Git, kept: KeptTree, { signal }: Abortable): Promise<string | undefined> {
  const { userGitDir, commonDir } = kept;
  const read = userGitDir === undefined ? undefined : await readHeadFile({ gitDir: userGitDir, commonDir });
  if (read !== undefined) return read;
  const call = { signal, okCodes: [0, 1, 128] };
  const { code, stdout } = await git.run(['rev-parse', '-q', '--verify', 'HEAD^{commit}'], call);
  return code === 0 ? stdout.toString('latin1').trim() : undefined;
}

/** Whether git has not written the index since its tree was sent. */
async function isIndexUntouched({ userGitDir, indexStamp: sent }: KeptTree): Promise<boolean> {
  if (userGitDir === undefined || sent === undefined) return false;
  return (await indexStamp({ gitDir: userGitDir })) === sent;
}

async function isSameNames(git: Git, kept: KeptTree, { signal }: Abortable): Promise<boolean> {
  const { stdout } = await git.run(['ls-files', '-z', '--deduplicate'], { signal });
  return digestOf(stdout) === kept.namesDigest;
}

async function isSameEntries(git: Git, kept: KeptTree, { signal }: Abortable): Promise<boolean> {
  const { stdout } = await git.run(INDEX_LISTING_ARGS, { signal });
  return digestOf(stdout) === kept.entriesDigest;
}

/** Git over the user's working tree with the user's own repository. */
function gitOfUser({ root }: KeptTree, { env }: { env: NodeJS.ProcessEnv }): Git {
  return gitAt({ folder: root, env: hostGitEnvironment(env), config: NO_PROGRAMS });
}

/**
 * Whether a file that was sent, or one of `names`, is not as it was. Files that were only touched do not
 * count.
 */
export async function differs(
  git: Git,
  { names = [], ...call }: Pick<GitCall, 'signal'> & { names?: readonly string[] },
): Promise<boolean> {
  const args = ['diff', '--quiet', '--no-ext-diff', '--no-textconv', '--ignore-submodules', '--', ...names];
  // Git fails when an object is gone that it would compare with.
  const { code } = await git.run(['--literal-pathspecs', ...args], { ...call, okCodes: [0, 1, 128] });
  return code !== 0;
}

/** Whether a tracked file is back that did not exist when the tree was sent. */
async function isAnyPresent({ root, deleted = [] }: KeptTree, { signal }: Abortable): Promise<boolean> {
  if (deleted.length === 0) return false;
  const absent = await findAbsent(root, deleted, { listing: { gitlinks: [] }, signal });
  return absent.size < deleted.length;
}

/**
 * What was said of a tree when it was sent, with its present untracked files and tools; `undefined` when git
 * can no longer read the working tree.
 */
export async function describeAgain(
  kept: KeptTree,
  { env, signal }: Abortable & { env: NodeJS.ProcessEnv },
): Promise<KeptTree['summary'] | undefined> {
  const { tooling: _, ...summary } = kept.summary;
  try {
    const [count, tooling] = await allEnded([
      kept.choice.isWithUntracked
        ? Promise.resolve(summary.untrackedCount)
        : countOthers(gitOfKept(kept, { env }), { signal }),
      findTooling(kept.root),
    ]);
    return { ...summary, untrackedCount: count, ...(tooling ? { tooling } : {}) };
  } catch (error) {
    if (isAppError(error, 'WORKSPACE_GIT_FAILED', 'WORKSPACE_GIT_MISSING')) return undefined;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return false;
    throw error;
  }
}
