import { type Abortable, neverAborts, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { PackedWorkspace } from '../../ports/workspace.ts';

/** `ms` for the guest to rename a folder. */
const REMOVE_DEADLINE_MS = 5_000;

/**
 * Removes what an unfinished copy has left, which has no HEAD. Renames first, because deleting takes time and
 * the next copy must not wait for it, nor lose files to it.
 */
const REMOVE_SCRIPT = `
[ -d "$1" ] && [ ! -e "$1/.git/HEAD" ] || exit 0
mv -T -- "$1" "$1.unfinished-$$" || exit
rm -rf -- "$1.unfinished-$$" </dev/null >/dev/null 2>&1 &
`;

/**
 * Gives a guest that has nothing at `guestPath` a working tree. Returns how many bytes were sent. After a
 * failure the guest has nothing there again, unless its link is lost.
 *
 * @throws {AppError} WORKSPACE_*, GUEST_*
 */
export async function copyFirst(
  agent: GuestAgent,
  guestPath: string,
  { packed, signal }: Abortable & { packed: Pick<PackedWorkspace, 'tar' | 'done'> },
): Promise<number> {
  try {
    const { bytes } = await agent.putTar(guestPath, packed.tar, { signal });
    await packed.done;
    return bytes;
  } catch (error) {
    await removeUnfinished(agent, guestPath);
    throw error;
  }
}

/** Removes what a copy has left that ended early. Best effort, and not cancelled with the copy. */
export async function removeUnfinished(agent: GuestAgent, guestPath: string): Promise<void> {
  const argv: [string, ...string[]] = ['sh', '-c', REMOVE_SCRIPT, 'remove', guestPath];
  const wait = {
    signal: neverAborts(),
    deadlineMs: REMOVE_DEADLINE_MS,
    what: 'the guest to rename a folder',
  };
  try {
    await withDeadline((signal) => agent.run({ argv, cwd: '/' }, { signal }), wait);
  } catch (error) {
    if (!isAppError(error)) throw error;
  }
}
