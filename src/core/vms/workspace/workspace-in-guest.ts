import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError, messageOf, printable } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { Vms } from '../world.ts';

/** `ms` for mise to mark a folder as trusted; it needs no network. */
const TRUST_DEADLINE_MS = 30_000;

/**
 * Creates a branch with the guest's git and switches to it; uncommitted edits are kept.
 *
 * @throws {AppError} WORKSPACE_BRANCH_REFUSED with git's own words as the cause, GUEST_*.
 */
export async function switchBranch(
  agent: GuestAgent,
  guestPath: string,
  { branch, branchStart, signal }: Abortable & { branch: string; branchStart: string | undefined },
): Promise<void> {
  const start = branchStart === undefined ? [] : [branchStart];
  const argv = ['git', '-C', guestPath, 'checkout', '-q', '--no-track', '-b', branch, ...start];
  const { exit, stderr } = await agent.run({ argv: start.length > 0 ? [...argv, '--'] : argv }, { signal });
  if ('code' in exit && exit.code === 0) return;
  throw new AppError(
    'WORKSPACE_BRANCH_REFUSED',
    `Cannot make the branch "${printable(branch)}" in the guest: git failed there`,
    {
      hint: 'leave --branch out, and make it in the guest',
      cause: new AppError('GUEST_FAILED', printable(stderr.toString('utf8')) || 'git said nothing'),
    },
  );
}

/**
 * Marks the workspace as trusted for mise, which otherwise asks before it reads a new folder. Best effort:
 * the workspace is usable either way.
 */
export async function trustTooling(
  world: Pick<Vms, 'log'>,
  agent: GuestAgent,
  { guestPath, signal }: Abortable & { guestPath: string },
): Promise<void> {
  const script = 'if command -v mise >/dev/null 2>&1; then cd "$1" && mise trust --quiet --all; fi';
  try {
    await withDeadline(
      (inner) => agent.run({ argv: ['sh', '-c', script, 'sh', guestPath] }, { signal: inner }),
      { signal, deadlineMs: TRUST_DEADLINE_MS, what: 'mise to trust the workspace' },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    world.log.debug('mise did not trust the workspace', { guestPath, error: messageOf(error) });
  }
}
