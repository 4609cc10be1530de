import { isAppError } from '../../base/errors.ts';
import { realErrorOf } from '../../protocol/error-body.ts';
import { InterruptedError } from './interrupts.ts';
import { OutputClosedError } from './output.ts';

/** Wrong usage: nothing was begun. */
const USAGE = 2;

/** The command line failed where the status would else be the guest command's (as docker-run(1) has it). */
const OURS = 125;

/** 128 + SIGPIPE: what a program has that writes to a reader who has gone. */
const PIPE = 141;

/**
 * Codes of errors that refuse what was asked for before anything exists: the request is wrong, or this host
 * cannot fulfil it as it is. They exit like wrong usage. What can also happen in the middle of the work, such
 * as a disk that fills up, does not belong here: a script could not tell it from status 2 of the command in
 * the guest.
 */
const REFUSALS: ReadonlySet<string> = new Set([
  'AGENT_NOT_FOUND',
  'CONFIG_INVALID',
  'CONFIG_PATH_INVALID',
  'DIR_NOT_PRIVATE',
  'DURATION_INVALID',
  'IMAGE_DAMAGED',
  'IMAGE_NAME_INVALID',
  'IMAGE_NEEDS_NAMESPACES',
  'IMAGE_NEEDS_SUBIDS',
  'IMAGE_NOT_FOUND',
  'IMAGE_SIZE_UNSUPPORTED',
  'IMAGE_TOOL_MISSING',
  'IMAGE_UNKNOWN',
  'KERNEL_DAMAGED',
  'KERNEL_NOT_FOUND',
  'REQUEST_INVALID',
  'REQUEST_TOO_LONG',
  'SIZE_INVALID',
  'VMM_HOST_UNSUPPORTED',
  'VMM_NOT_FOUND',
  'VMM_TOOL_MISSING',
  'VMM_UNSUPPORTED',
  'VM_DISK_SHRINKS',
  'VM_COUNT_INVALID',
  'VM_NAME_INVALID',
  'VM_NAME_TAKEN',
  'VM_REF_INVALID',
  'VM_SHAPE_INVALID',
  'VM_SIGNAL_INVALID',
  'WORKSPACE_BARE',
  'WORKSPACE_BRANCH_INVALID',
  'WORKSPACE_BRANCH_REFUSED',
  'WORKSPACE_GIT_ELSEWHERE',
  'WORKSPACE_GIT_MISSING',
  'WORKSPACE_NOT_FOUND',
  'WORKSPACE_NOT_GIT',
  'WORKSPACE_REF_NOT_FOUND',
  'WORKSPACE_SUBMODULES',
  'WORKSPACE_TAR_MISSING',
]);

/** Exit status of a command in a guest that could not be started, as a shell tells it. */
const GUEST_START: Readonly<Record<string, number>> = {
  COMMAND_NOT_FOUND: 127,
  COMMAND_NOT_EXECUTABLE: 126,
};

/** The command line was wrong or refused, and nothing was begun. */
function isRefusal(error: unknown): boolean {
  return isAppError(error) && (error.code.startsWith('USAGE_') || REFUSALS.has(error.code));
}

/** The exit status that an error ends the program with. */
export function exitStatusOf(error: unknown, { runsGuestCommand }: { runsGuestCommand: boolean }): number {
  const real = realErrorOf(error);
  if (real instanceof InterruptedError) return real.exitCode;
  if (real instanceof OutputClosedError) return runsGuestCommand ? PIPE : 0;
  if (isRefusal(real)) return USAGE;
  if (!runsGuestCommand) return 1;
  return (isAppError(real) && GUEST_START[real.code]) || OURS;
}
