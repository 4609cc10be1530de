import type { HistoryPlan } from '../git/history.ts';
import type { TrackedFiles } from '../git/tracked-files.ts';
import { prepareHistory } from '../history-to-send.ts';
import { trackedFiles } from '../sent-files.ts';
import { listIndex, type WorkspaceWork } from '../workspace-work.ts';
import { factsOfIndex, type IndexFacts } from './index-facts.ts';
import { type SentTree, stageSentTreeOrThrow } from './stage-sent-tree.ts';

/** A working tree as it is sent, and the history that goes with it. */
export interface TreeToSend {
  index: IndexFacts;
  tracked: Pick<TrackedFiles, 'filtered' | 'deleted' | 'uncheckedAbsent'>;
  sent: SentTree;
  plan: HistoryPlan;
}

/** Reads the whole working tree, and plans the history. */
export async function wholeTree(
  work: WorkspaceWork,
  options: {
    mentioned: readonly string[];
    maxHistoryBytes: number;
    noSubmodules?: boolean | undefined;
    /** names of untracked files, each ended by NUL */
    untracked: Promise<Buffer>;
  },
): Promise<TreeToSend> {
  const { tasks } = work;
  const { mentioned, maxHistoryBytes, noSubmodules, untracked } = options;
  const history = tasks.start((task) => prepareHistory(work, { ...task, maxHistoryBytes, mentioned }));
  const listing = await tasks.start((task) => listIndex(work, task));
  const tracked = await tasks.start((task) => trackedFiles(work, { ...task, listing, noSubmodules }));
  const names = await untracked;
  const sent = await tasks.start((task) =>
    stageSentTreeOrThrow(work, { ...task, ...tracked, untracked: names }),
  );
  return { index: factsOfIndex(listing), tracked, sent, plan: await history };
}
