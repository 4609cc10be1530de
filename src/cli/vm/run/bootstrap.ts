import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { LineSplitter } from '../../../base/text/line-splitter.ts';
import type { WorkspaceSummary, WorkspaceTooling } from '../../../protocol/api/workspace.ts';
import type { ExecExit, ExecStart } from '../../../protocol/guest.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { ToolingCause } from './tooling-cause.ts';

/**
 * Installs tools with the guest's mise. Arguments: "wait" or "go on", the log, the working tree, "managed" if
 * the tree has mise's own files, then the tools that mise does not find there by itself. The log gets all
 * output; with "wait", the caller also gets it, and the exit status.
 */
const SCRIPT = `
mode=$1 log=$HOME/$2 repo=$3 managed=$4
shift 4
mkdir -p "\${log%/*}" && cd "$repo" || exit 1
step() { echo "+ $*"; "$@" </dev/null || failed=1; }
work() {
  failed=0
  if ! command -v mise >/dev/null 2>&1; then echo 'mise is not installed in this image'; return 1; fi
  if [ -n "$managed" ]; then step mise trust --quiet --all; step mise install --yes; fi
  for tool; do step mise use --global --pin --yes "$tool"; done
  return "$failed"
}
if [ "$mode" = wait ]; then
  exec 4>&1
  status=$({ { work "$@" 2>&1 4>&-; echo $? >&3; } | tee "$log" >&4; } 3>&1)
  exit "$status"
fi
trap '' HUP
work "$@" >"$log" 2>&1 </dev/null &
`;

/** Which tools to install, and where to log it. */
export interface Bootstrap {
  tooling: WorkspaceTooling;
  guestPath: string;
  /** path below the home of the guest's user */
  logName: string;
}

/**
 * Returns the tools that a working tree names, or `undefined` when there is nothing to install or installing
 * is switched off.
 *
 * @throws {AppError} USAGE_TOOLING when tools must be downloaded and the guest will have no network.
 */
export function bootstrapNeeded(
  { tooling }: Pick<WorkspaceSummary, 'tooling'>,
  { hasNat, isSkipped }: { hasNat: boolean; isSkipped: boolean },
): WorkspaceTooling | undefined {
  if (!tooling || isSkipped) return undefined;
  if (hasNat) return tooling;
  if (tooling.files.length === 0) return undefined;
  throw new AppError('USAGE_TOOLING', 'tooling bootstrap requires --nat (or pass --no-bootstrap to skip)', {
    hint: `${tooling.files.join(' and ')} names tools, which the guest has to download`,
    details: { files: tooling.files },
  });
}

/**
 * Returns the command that installs tools. With `isAwaited` it ends when they are installed, else at once.
 * Pure.
 */
function bootstrapCommand(
  { tooling, guestPath, logName }: Bootstrap,
  { isAwaited }: { isAwaited: boolean },
): ExecStart {
  const managed = tooling.files.length > 0 ? 'managed' : '';
  return {
    argv: [
      ...['sh', '-c', SCRIPT, 'bootstrap', isAwaited ? 'wait' : 'go on', logName, guestPath, managed],
      ...tooling.pins,
    ],
  };
}

/**
 * Installs tools in the guest, or starts to install them; calls `onLine` for each line of output.
 *
 * @throws {AppError} TOOLING_FAILED when the installation failed, and the errors of `BangerClient.exec`.
 */
export async function bootstrapTooling(
  client: BangerClient,
  vmId: string,
  options: Abortable & { bootstrap: Bootstrap; isAwaited: boolean; onLine: (line: string) => void },
): Promise<void> {
  const { bootstrap, isAwaited, onLine, signal } = options;
  using session = await client.exec(vmId, bootstrapCommand(bootstrap, { isAwaited }), { signal });
  session.end();
  const lines = new LineSplitter();
  const cause = new ToolingCause();
  for await (const event of session.output()) {
    if (event.kind === 'exit') return requireSuccess(event.exit, { bootstrap, cause: cause.text() });
    for (const line of lines.push(event.chunk)) {
      const shown = cause.push(line);
      if (shown !== '') onLine(shown);
    }
  }
}

function requireSuccess(exit: ExecExit, { bootstrap, cause }: { bootstrap: Bootstrap; cause: string }): void {
  if ('code' in exit && exit.code === 0) return;
  const how = 'code' in exit ? `status ${exit.code}` : exit.signal;
  throw new AppError(
    'TOOLING_FAILED',
    `it ended with ${how}${cause ? `: ${cause}` : ''} (log in the guest: ~/${bootstrap.logName})`,
  );
}
