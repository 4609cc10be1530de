import type { Abortable } from '../base/abort.ts';
import { IS_EXPORTED, READ_SENT, READ_STATE } from '../protocol/workspace-state.ts';
import type { BangerClient } from './client.ts';

/** Whether a workspace has changes that the host lacks; `unknown`: git failed, or it is no repository. */
export type WorkspaceChanges = 'none' | 'unexported' | 'unknown';

/** Exit status for a state that the host does not have. */
const UNEXPORTED = 90;

const SCRIPT = `${READ_STATE}${READ_SENT}
if [ "$state" = "$sent" ]; then exit 0; fi
if ${IS_EXPORTED}; then exit 0; fi
exit ${UNEXPORTED}
`;

/** Most bytes of git's messages that are read; they are not shown. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Whether the repository in the guest has changes that the host lacks: its HEAD or its files are neither as
 * they were copied into the VM nor as they were last exported. Ignored files, stashes and branches other than
 * the current one do not count. The repository stays as it is.
 *
 * @throws {AppError} as `BangerClient.exec`.
 */
export async function workspaceChanges(
  client: BangerClient,
  ref: string,
  { guestPath, signal }: Abortable & { guestPath: string },
): Promise<WorkspaceChanges> {
  const argv = ['sh', '-c', SCRIPT, 'changes', guestPath];
  using session = await client.exec(ref, { argv, cwd: '/' }, { signal });
  const { exit } = await session.collect({ maxBytes: MAX_OUTPUT_BYTES });
  if ('code' in exit && exit.code === 0) return 'none';
  return 'code' in exit && exit.code === UNEXPORTED ? 'unexported' : 'unknown';
}
