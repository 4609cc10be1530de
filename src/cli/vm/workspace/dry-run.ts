import { printable } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { WorkspaceChoice } from '../../../protocol/api/workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import { type Span, spansOf } from '../../context/spans.ts';
import type { RepositoryNetwork } from '../run/repository-network.ts';

/** What `--dry-run --json` prints. Fields are added, never changed. */
export interface DryRunReport {
  mode: 'tracked only' | 'tracked and untracked';
  repoRoot: string;
  /** paths below `repoRoot`, sorted */
  files: string[];
  trackedCount: number;
  untrackedCount: number;
  /** of `vm run`: what the repository's own file asks for */
  repositoryNetwork?: RepositoryNetwork;
  /** with `--timings` */
  spans?: Span[];
}

/** Prints which files of a working tree a VM would get; does nothing else. */
export async function printDryRun(
  workspace: WorkspaceChoice,
  {
    context,
    isJson,
    isTimed = false,
    readNetwork,
  }: {
    context: CommandContext;
    isJson: boolean;
    isTimed?: boolean;
    /** says what the file in that folder asks for, and returns it */
    readNetwork?: (repoRoot: string) => RepositoryNetwork | undefined;
  },
): Promise<number> {
  const client = await context.client();
  const request = { ...workspace, withFiles: true };
  const summary = await client.inspectWorkspace(request, { signal: context.signal });
  const { repoRoot, trackedCount, untrackedCount, files = [] } = summary;
  const network = readNetwork?.(repoRoot);
  const mode = workspace.includeUntracked ? 'tracked and untracked' : 'tracked only';
  if (isJson) {
    const report: DryRunReport = { mode, repoRoot, files, trackedCount, untrackedCount };
    const asked = network ? { repositoryNetwork: network } : {};
    await context.printJson({
      ...report,
      ...asked,
      ...spansOf(context.spans, { isTimed }),
    } satisfies DryRunReport);
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
