import type { DropInChange } from './change-drop-ins.ts';

/** What was done to the files, or would be, and the commands that make resolvers read them. */
export function changeLines({
  changes,
  isDryRun,
  reloads,
}: {
  changes: readonly DropInChange[];
  isDryRun: boolean;
  reloads: readonly string[];
}): string {
  if (changes.length === 0) return 'nothing to remove\n';
  const lines = changes.map(({ path, change }) => `${isDryRun ? 'would be ' : ''}${change}: ${path}\n`);
  const isChanged = changes.some(({ change }) => change !== 'unchanged');
  return [...lines, ...(isChanged ? reloads.map((reload) => `then run: sudo ${reload}\n`) : [])].join('');
}
