import type { Abortable } from '../../base/abort.ts';
import { planHistory, stageHistory } from './git/history.ts';
import { readOperationState, writeOperationState } from './git/operation-state.ts';
import type { WorkspaceWork } from './workspace-work.ts';

/** `bytes` of the largest history that is sent whole, unless all of it is asked for. */
export const DEFAULT_MAX_HISTORY_BYTES = 512 * 1024 * 1024;

/**
 * Stages the state of an unfinished operation. Returns the names of objects that the guest needs for it, and
 * for the branch that it makes. @throws {AppError} WORKSPACE_FILE_TOO_LARGE
 */
export async function stageOperation(
  { repository, staged }: WorkspaceWork,
  { branchStart }: { branchStart: string | undefined },
): Promise<readonly string[]> {
  const isDetached = staged.head.ref === undefined;
  const state = await readOperationState(repository.gitDir, { isDetached });
  await writeOperationState(state, staged.gitDir);
  return branchStart === undefined ? state.mentioned : [...state.mentioned, branchStart];
}

/** Plans the history to send, `mentioned` objects included, and stages its refs. */
export async function prepareHistory(
  { repository, staged }: WorkspaceWork,
  options: Abortable & { maxHistoryBytes?: number; mentioned: readonly string[] },
): ReturnType<typeof planHistory> {
  const { signal, maxHistoryBytes = DEFAULT_MAX_HISTORY_BYTES, mentioned } = options;
  const plan = await planHistory(repository, staged, { mentioned, maxHistoryBytes, signal });
  await stageHistory(staged, plan);
  return plan;
}
