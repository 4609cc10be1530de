import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno, printable } from '../../base/errors.ts';
import type { WorkspaceContent } from '../../core/ports/workspace.ts';
import { refreshTracked } from './filters/refresh-tracked.ts';
import { requireObjects } from './git/missing-objects.ts';
import { listIndex, type WorkspaceWork } from './workspace-work.ts';

/** Files that git keeps while an operation waits for the user; meanwhile git refuses to switch branches. */
const UNFINISHED = [
  'MERGE_HEAD',
  'CHERRY_PICK_HEAD',
  'REVERT_HEAD',
  'BISECT_START',
  'rebase-merge',
  'rebase-apply',
];

/**
 * Checks that a guest with this working tree could create the requested branch and switch to it, carrying
 * edits over as git-switch(1) does. Returns the commit at which the branch begins, when that is not HEAD.
 *
 * @throws {AppError} WORKSPACE_BRANCH_INVALID, WORKSPACE_REF_NOT_FOUND, WORKSPACE_BRANCH_REFUSED,
 * WORKSPACE_OBJECTS_MISSING
 */
export async function checkNewBranch(
  work: WorkspaceWork,
  { branch, from, includeUntracked, signal }: Abortable & WorkspaceContent,
): Promise<string | undefined> {
  if (branch === undefined) return undefined;
  await requireNewName(work, branch, { signal });
  await requireNothingUnfinished(work, branch);
  const commit = from === undefined ? undefined : await resolveCommit(work, from, { signal });
  const { head } = work.staged;
  if (commit === undefined || commit === head.commit) return undefined;
  if (head.commit === undefined) return commit;
  if (work.staged.isPartial) await requireObjects(work, { branch, head: head.commit, commit, signal });
  await refreshTracked(work, { listing: await listIndex(work, { signal }), signal });
  const mode = includeUntracked ? ['-u', '--exclude-per-directory=.gitignore'] : [];
  const { code, stderr } = await work.staged.git.run(
    ['read-tree', '-n', '-m', ...mode, head.commit, commit],
    { signal, okCodes: [0, 128] },
  );
  if (code === 0) return commit;
  throw refused(work, branch, {
    why: `uncommitted changes conflict with "${printable(from ?? '')}"`,
    hint: 'commit or stash them (git stash), or leave out --from',
    cause: new AppError('EXEC_FAILED', printable(stderr)),
  });
}

/**
 * Checks that the repository could have a new branch of that name.
 *
 * @throws {AppError} WORKSPACE_BRANCH_INVALID, WORKSPACE_BRANCH_REFUSED
 */
export async function requireNewName(
  work: Pick<WorkspaceWork, 'repository'>,
  branch: string,
  { signal }: Abortable,
): Promise<void> {
  await requireName(work, branch, { signal });
  await requireFree(work, branch, { signal });
}

async function requireName(
  work: Pick<WorkspaceWork, 'repository'>,
  branch: string,
  { signal }: Abortable,
): Promise<void> {
  // git-check-ref-format(1); as in git-branch(1), no leading "-" and no "HEAD".
  const { code } =
    branch.startsWith('-') || branch === 'HEAD' || branch.includes('\0')
      ? { code: 1 }
      : await work.repository.git.run(['check-ref-format', `refs/heads/${branch}`], {
          signal,
          okCodes: [0, 1],
        });
  if (code === 0) return;
  throw new AppError(
    'WORKSPACE_BRANCH_INVALID',
    `Cannot make a branch "${printable(branch)}": git does not allow that name`,
    { hint: 'for example --branch fix-login', details: { field: 'branch', value: branch } },
  );
}

/** Refuses a branch when one exists with that name, or with a name that is a folder above or below it. */
async function requireFree(
  work: Pick<WorkspaceWork, 'repository'>,
  branch: string,
  { signal }: Abortable,
): Promise<void> {
  const parts = branch.split('/');
  const above = parts.slice(1).map((_, at) => `refs/heads/${parts.slice(0, at + 1).join('/')}`);
  const wanted = `refs/heads/${branch}`;
  // Patterns of for-each-ref match whole names and everything below them.
  const { stdout } = await work.repository.git.run(['for-each-ref', '--format=%(refname)', 'refs/heads'], {
    signal,
  });
  const names = stdout.toString('utf8').split('\n').slice(0, -1);
  const inTheWay = names.find(
    (name) => name === wanted || name.startsWith(`${wanted}/`) || above.includes(name),
  );
  // On a branch without commits.
  const head = await work.repository.git.run(['symbolic-ref', '-q', 'HEAD'], { signal, okCodes: [0, 1] });
  const isUnborn = head.stdout.toString('utf8').trimEnd() === wanted;
  if (inTheWay === undefined && !isUnborn) return;
  const existing = (inTheWay ?? wanted).replace(/^refs\/heads\//, '');
  throw refused(work, branch, {
    why: `the branch "${printable(existing)}" already exists`,
    hint: 'pick another name for --branch',
  });
}

async function requireNothingUnfinished(work: WorkspaceWork, branch: string): Promise<void> {
  for (const name of UNFINISHED) {
    try {
      await access(join(work.repository.gitDir, name));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) continue;
      throw error;
    }
    throw refused(work, branch, {
      why: 'a merge, rebase, cherry-pick, revert or bisect is unfinished there',
      hint: 'git status says how to finish or abort it',
    });
  }
}

async function resolveCommit(
  work: WorkspaceWork,
  from: string,
  { signal }: Abortable,
): Promise<string | undefined> {
  const isWord = from !== '' && !from.startsWith('-') && !from.includes('\0');
  const { code, stdout } = isWord
    ? await work.repository.git.run(['rev-parse', '-q', '--verify', `${from}^{commit}`], {
        signal,
        okCodes: [0, 1, 128],
      })
    : { code: 1, stdout: Buffer.alloc(0) };
  if (code === 0) return stdout.toString('latin1').trim();
  throw new AppError(
    'WORKSPACE_REF_NOT_FOUND',
    `Cannot begin a branch at "${printable(from)}": the repository has no such commit`,
    { hint: 'git branch --all; git tag', details: { field: 'from', value: from } },
  );
}

function refused(
  { repository }: Pick<WorkspaceWork, 'repository'>,
  branch: string,
  { why, hint, cause }: { why: string; hint: string; cause?: unknown },
): AppError {
  return new AppError(
    'WORKSPACE_BRANCH_REFUSED',
    `Cannot make the branch "${printable(branch)}" of "${repository.root}": ${why}`,
    { hint, details: { branch }, cause },
  );
}
