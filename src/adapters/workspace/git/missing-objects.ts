import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError, printable } from '../../../base/errors.ts';
import { plural, quoteSome } from '../../../base/text/words.ts';
import { parseTreeDiff } from '../sent/tree-changes.ts';
import { listIndex, textOf, type WorkspaceWork } from '../workspace-work.ts';

/** Most paths that a message names; the details have all. */
const NAMED_PATHS = 5;

/** A switch from one commit to another. */
interface Switch extends Abortable {
  branch: string;
  head: string;
  commit: string;
}

/**
 * Refuses a branch for which a partial clone lacks files: a guest without a network cannot fetch them, and
 * this host does so only when the user asks git for it. Files outside a sparse checkout do not count.
 *
 * @throws {AppError} WORKSPACE_OBJECTS_MISSING
 */
export async function requireObjects(work: WorkspaceWork, options: Switch): Promise<void> {
  const { head, commit, signal } = options;
  const { git } = work.repository;
  let needed: Map<string, string>;
  try {
    const args = ['diff-tree', '-r', '--raw', '-z', '--no-renames', head, commit];
    const { stdout } = await git.run(args, { signal });
    needed = new Map(
      parseTreeDiff(stdout).flatMap(({ path, after }) => (after ? [[path, after.object] as const] : [])),
    );
  } catch (error) {
    if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
    throw missing(work, options, { what: 'folders that it consists of', paths: [], cause: error });
  }
  for (const path of (await listIndex(work, { signal })).unchecked) needed.delete(path);
  const absent = await absentObjects(work, commit, { signal });
  const paths = [...needed].filter(([, object]) => absent.has(object)).map(([path]) => textOf(path));
  if (paths.length === 0) return;
  const what = `${plural(paths.length, 'file')} that it needs: ${quoteSome(paths, NAMED_PATHS)}`;
  throw missing(work, options, { what, paths });
}

/** The objects of a commit's files that the repository does not have. Fetches none. */
async function absentObjects(
  { repository }: WorkspaceWork,
  commit: string,
  { signal }: Abortable,
): Promise<Set<string>> {
  const args = ['rev-list', '--objects', '--no-walk', '--missing=print', commit];
  const { stdout } = await repository.git.run(args, { signal });
  const lines = stdout.toString('latin1').split('\n');
  return new Set(lines.filter((line) => line.startsWith('?')).map((line) => line.slice(1)));
}

function missing(
  { repository: { root } }: WorkspaceWork,
  { branch, commit }: Switch,
  { what, paths, cause }: { what: string; paths: readonly string[]; cause?: unknown },
): AppError {
  return new AppError(
    'WORKSPACE_OBJECTS_MISSING',
    `Cannot make the branch "${printable(branch)}" of "${printable(root)}": this partial clone lacks ${what}`,
    {
      hint: `have git fetch them: git -C "${printable(root)}" archive -o /dev/null ${commit}`,
      details: { branch, paths },
      cause,
    },
  );
}
