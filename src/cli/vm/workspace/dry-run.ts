import { printable } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { WorkspaceChoice } from '../../../protocol/api/workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import { type Span, spansOf } from '../../context/spans.ts';

/** What `--dry-run --json` prints. Fields are added, never changed. */
export interface DryRunReport {
  mode: 'tracked only' | 'tracked and untracked';
  repoRoot: string;
  /** paths below `repoRoot`, sorted */
  files: string[];
  trackedCount: number;
  untrackedCount: number;
  /** with `--timings` */
  spans?: Span[];
}

/** Prints which files of a working tree a VM would get; does nothing else. */
export async function printDryRun(
  workspace: WorkspaceChoice,
  { context, isJson, isTimed = false }: { context: CommandContext; isJson: boolean; isTimed?: boolean },
): Promise<number> {
  const client = await context.client();
  const request = { ...workspace, withFiles: true };
  const summary = await client.inspectWorkspace(request, { signal: context.signal });
  const { repoRoot, trackedCount, untrackedCount, files = [] } = summary;
  const mode = workspace.includeUntracked ? 'tracked and untracked' : 'tracked only';
  if (isJson) {
    const report: DryRunReport = { mode, repoRoot, files, trackedCount, untrackedCount };
    await context.printJson({ ...report, ...spansOf(context.spans, { isTimed }) } satisfies DryRunReport);
  } else {
    const lines = [
      ...files.map(printable),
      `mode: ${mode}`,
      `${plural(files.length, 'file')} of ${printable(repoRoot)}`,
    ];
    await context.print(lines.join('\n'));
  }
  return 0;
}
