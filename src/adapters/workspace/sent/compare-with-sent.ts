import { isDeepStrictEqual } from 'node:util';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { SentComparison, WorkspaceContent } from '../../../core/ports/workspace.ts';
import { parseRawDiff, RAW_DIFF } from '../git/tracked-files.ts';
import { keptChoice } from '../pack-workspace.ts';
import { allEnded } from '../task-group.ts';
import type { GitWorkspaceSourceOptions } from '../workspace-work.ts';
import { changeOfAll, describeAgain, differs, isSameRepository } from './freshness.ts';
import { gitOfKept, type KeptTree, readKeptOf } from './kept-tree.ts';

/** Most names of files that are given to git in its arguments. */
const MAX_NAMES = 500;

/** As `WorkspaceSource.compareWithSent`. Reads the times of all files once. */
export async function compareWithSent(
  dir: string,
  {
    path,
    sentCommit,
    signal,
    env,
    userGitDir,
    ...content
  }: Abortable &
    WorkspaceContent &
    Pick<GitWorkspaceSourceOptions, 'env' | 'userGitDir'> & { path: string; sentCommit: string | undefined },
): Promise<SentComparison> {
  const kept = await readKeptOf(dir, sentCommit);
  if (!kept || content.branch !== undefined) return {};
  if (!isDeepStrictEqual(kept.choice, keptChoice(path, content))) return {};
  // Each of them is compared when its delta is packed.
  if (kept.submodules && kept.submodules.length > 0) return {};
  // Only reading those files says whether they are as they were.
  if (kept.unchecked.length > 0) return {};
  const call = { env, signal };
  const touched = kept.isPlain ? touchedFiles(kept, call) : undefined;
  touched?.catch(() => {});
  const isEdited = touched?.then((diff) => isAnyEdited(kept, diff, call));
  const [change, isSame, summary] = await allEnded([
    changeOfAll(dir, kept, { ...call, ...(isEdited ? { isEdited } : {}) }),
    isSameRepository(kept, { ...call, userGitDir }),
    describeAgain(kept, call),
  ]);
  if (change.kind === 'none' && isSame) return summary ? { summary } : {};
  const diff = await touched;
  if (!diff || !summary) return {};
  return { look: { sentCommit: kept.commit, touched: diff, untrackedCount: summary.untrackedCount } };
}

/** The raw diff of the files whose time or size is not as it was; `undefined` when git cannot say. */
async function touchedFiles(
  kept: KeptTree,
  { env, signal }: Abortable & { env: NodeJS.ProcessEnv },
): Promise<Buffer | undefined> {
  try {
    return (await gitOfKept(kept, { env }).run(RAW_DIFF, { signal })).stdout;
  } catch (error) {
    if (isAppError(error, 'WORKSPACE_GIT_FAILED', 'WORKSPACE_GIT_MISSING')) return undefined;
    throw error;
  }
}

/** Whether one of these files has another content. */
async function isAnyEdited(
  kept: KeptTree,
  touched: Buffer | undefined,
  { env, signal }: Abortable & { env: NodeJS.ProcessEnv },
): Promise<boolean> {
  if (!touched) return true;
  const { deleted, changed } = parseRawDiff(touched);
  if (deleted.length > 0) return true;
  const [first] = changed;
  if (!first) return false;
  // Names are bytes, which arguments are not.
  const names = changed.map((file) => file.path);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: latin1 of ASCII
  const isPassable = names.length <= MAX_NAMES && names.every((name) => /^[\x01-\x7f]+$/.test(name));
  return await differs(gitOfKept(kept, { env }), { signal, ...(isPassable ? { names } : {}) });
}
