import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError, messageOf, printable } from '../../../base/errors.ts';
import { MARK_SENT, READ_STATE } from '../../../protocol/workspace-state.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { Vms } from '../world.ts';

/** `ms` for mise to mark a folder as trusted; it needs no network. */
const TRUST_DEADLINE_MS = 30_000;

/** `ms` for git to hash what differs from the index: an export begins at the tree that this records. */
const MARK_DEADLINE_MS = 5 * 60_000;

/**
 * Creates a branch with the guest's git and switches to it; uncommitted edits are kept.
 *
 * @throws {AppError} WORKSPACE_BRANCH_REFUSED with git's own words as the cause, also when the files of
 * another commit cannot be recorded as the tree that was sent; GUEST_*.
 */
export async function switchBranch(
  agent: GuestAgent,
  guestPath: string,
  options: Abortable & {
    branch: string;
    branchStart: string | undefined;
    /** whether git could store the tree that was sent, and the guest has it */
    isTreeStored: boolean;
  },
): Promise<void> {
  const { branch, branchStart, isTreeStored, signal } = options;
  const start = branchStart === undefined ? [] : [branchStart];
  const argv = ['git', '-C', guestPath, 'checkout', '-q', '--no-track', '-b', branch, ...start];
  const { exit, stderr } = await agent.run({ argv: start.length > 0 ? [...argv, '--'] : argv }, { signal });
  if ('code' in exit && exit.code === 0) {
    // The files are those of another commit now: only the guest can say what it starts from.
    if (branchStart !== undefined && isTreeStored) await markSent(agent, guestPath, { branch, signal });
    return;
  }
  throw new AppError(
    'WORKSPACE_BRANCH_REFUSED',
    `Cannot make the branch "${printable(branch)}" in the guest: git failed there`,
    {
      hint: 'leave out --branch, and create the branch in the guest',
      cause: new AppError('GUEST_FAILED', printable(stderr.toString('utf8')) || 'git printed no message'),
    },
  );
}

/**
 * Records the guest's present tree as the one that it was sent. Not best effort: an export would begin at
 * another commit's files, and print them as changes of the guest.
 */
async function markSent(
  agent: GuestAgent,
  guestPath: string,
  { branch, signal }: Abortable & { branch: string },
): Promise<void> {
  const error = await tryInGuest(agent, READ_STATE + MARK_SENT, {
    guestPath,
    signal,
    deadlineMs: MARK_DEADLINE_MS,
    what: 'git to read the state of the workspace',
  });
  if (!error) return;
  throw new AppError(
    'WORKSPACE_BRANCH_REFUSED',
    `Cannot record the files of the branch "${printable(branch)}" in the guest: an export would begin at those of another commit`,
    {
      hint: 'delete the branch in the guest and copy the working tree again, or leave out --from',
      cause: error,
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
  const error = await tryInGuest(agent, script, {
    guestPath,
    signal,
    deadlineMs: TRUST_DEADLINE_MS,
    what: 'mise to trust the workspace',
  });
  if (error) world.log.debug('mise did not trust the workspace', { guestPath, error: messageOf(error) });
}

/**
 * Lets git of the guest's root work on a tree of the VM's user. Where the user's tree is by default, it may
 * from the start. Best effort.
 */
export async function trustForRoot(
  agent: GuestAgent,
  guestPath: string,
  { signal }: Abortable,
): Promise<void> {
  const exact = guestPath.replaceAll(/[.[\]*^$\\?+(){}|]/g, '\\$&');
  const argv: [string, ...string[]] = ['git', 'config', '--system', '--replace-all', 'safe.directory'];
  await agent.run({ argv: [...argv, guestPath, `^${exact}$`], user: 'root' }, { signal });
}

/** Runs a script of the guest's shell with the path as `$1`. Returns why it did not end, or failed. */
async function tryInGuest(
  agent: GuestAgent,
  script: string,
  options: Abortable & { guestPath: string; deadlineMs: number; what: string },
): Promise<AppError | undefined> {
  const argv: [string, ...string[]] = ['sh', '-c', script, 'sh', options.guestPath];
  try {
    const { exit, stderr } = await withDeadline((inner) => agent.run({ argv }, { signal: inner }), options);
    if ('code' in exit && exit.code === 0) return undefined;
    return new AppError('GUEST_FAILED', printable(stderr.toString('utf8')) || 'it printed no message');
  } catch (error) {
    options.signal.throwIfAborted();
    if (isAppError(error)) return error;
    throw error;
  }
}
