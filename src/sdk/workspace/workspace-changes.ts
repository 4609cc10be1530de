import type { Abortable } from '../../base/abort.ts';
import { IS_EXPORTED, READ_SENT, READ_STATE } from '../../protocol/workspace-state.ts';
import type { BangerClient } from '../client.ts';

/** Whether a workspace has changes that the host lacks; `unknown`: git failed, or it is no repository. */
export type WorkspaceChanges = 'none' | 'unexported' | 'unknown';

/** Exit status for a state that the host does not have. */
const UNEXPORTED = 90;

/** Looks at the repository that contains `$1`; `$2` is this script, for the submodules in it. */
const SCRIPT = `${READ_STATE}${READ_SENT}
if [ "$state" != "$sent" ] && ! { ${IS_EXPORTED}; }; then exit ${UNEXPORTED}; fi
if [ ! -e .gitmodules ]; then exit 0; fi
submodules=$temp/submodules
git ls-files --stage -z | sed -z -n 's/^160000 [^\t]*\t//p' >"$submodules" || exit
unset GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES
xargs -0 -r -n 1 sh -c '[ ! -e "$1/$2/.git" ] || sh -c "$0" changes "$1/$2" "$0"' "$2" "$root" <"$submodules" ||
  exit ${UNEXPORTED}
`;

/** Most bytes of git's messages that are read; they are not shown. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Whether the repository in the guest, or a submodule in it, has changes that the host lacks: its HEAD or its
 * files are neither as they were copied into the VM nor as they were last exported. Ignored files, stashes
 * and branches other than the current one do not count. The repository stays as it is.
 *
 * @throws {AppError} as `BangerClient.exec`.
 */
export async function workspaceChanges(
  client: BangerClient,
  ref: string,
  { guestPath, signal }: Abortable & { guestPath: string },
): Promise<WorkspaceChanges> {
  const argv = ['sh', '-c', SCRIPT, 'changes', guestPath, SCRIPT];
  using session = await client.exec(ref, { argv, cwd: '/' }, { signal });
  const { exit } = await session.collect({ maxBytes: MAX_OUTPUT_BYTES });
  if ('code' in exit && exit.code === 0) return 'none';
  return 'code' in exit && exit.code === UNEXPORTED ? 'unexported' : 'unknown';
}
