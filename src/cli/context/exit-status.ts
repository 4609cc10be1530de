import { isAppError } from '../../base/errors.ts';
import { realErrorOf } from '../../protocol/error-body.ts';
import { InterruptedError } from './interrupts.ts';
import { OutputClosedError } from './output.ts';

/** Wrong usage, or refused: nothing was started. */
const USAGE = 2;

/**
 * banger itself failed, in a command whose status is otherwise that of the command in the guest (the same
 * value as in docker-run(1)).
 */
const OURS = 125;

/** 128 + SIGPIPE: the status of a program that writes to a pipe whose reader has exited. */
const PIPE = 141;

/**
 * Codes of errors that refuse a request before anything exists, because the request is wrong or this host
 * cannot fulfil it. They exit with the status of wrong usage. Errors that can also happen halfway, such as a
 * full disk, are not listed: a script could not tell them from status 2 of the command in the guest.
 */
const REFUSALS: ReadonlySet<string> = new Set([
  'AGENT_NOT_FOUND',
  'CONFIG_INVALID',
  'CONFIG_PATH_INVALID',
  'DEVCONTAINER_AMBIGUOUS',
  'DEVCONTAINER_INVALID',
  'DEVCONTAINER_NOT_FOUND',
  'DEVCONTAINER_REFUSED',
  'DIR_NOT_PRIVATE',
  'DURATION_INVALID',
  'IMAGE_DAMAGED',
  'IMAGE_NAME_INVALID',
  'IMAGE_NEEDS_NAMESPACES',
  'IMAGE_NEEDS_SUBIDS',
  'IMAGE_NOT_FOUND',
  'IMAGE_PLATFORM_UNSUPPORTED',
  'IMAGE_SIZE_UNSUPPORTED',
  'IMAGE_TOOL_MISSING',
  'IMAGE_UNKNOWN',
  'KERNEL_DAMAGED',
  'KERNEL_NAME_INVALID',
  'KERNEL_NOT_FOUND',
  'REPOSITORY_FILE_INVALID',
  'REQUEST_INVALID',
  'REQUEST_TOO_LONG',
  'NETWORK_RULE_INVALID',
  'SECRET_INVALID',
  'SECRET_SOURCE_UNUSABLE',
  'SIZE_INVALID',
  'VMM_HOST_UNSUPPORTED',
  'VMM_LACKS',
  'VMM_NOT_FOUND',
  'VMM_TOOL_MISSING',
  'VMM_UNKNOWN',
  'VMM_UNSUPPORTED',
  'VM_DISK_SHRINKS',
  'VM_COUNT_INVALID',
  'VM_NAME_INVALID',
  'VM_NAME_TAKEN',
  'VM_REF_INVALID',
  'VM_SHAPE_INVALID',
  'VM_SIGNAL_INVALID',
  'VM_USER_INVALID',
  'WORKSPACE_BARE',
  'WORKSPACE_BRANCH_INVALID',
  'WORKSPACE_BRANCH_REFUSED',
  'WORKSPACE_COMMIT_UNKNOWN',
  'WORKSPACE_GIT_ELSEWHERE',
  'WORKSPACE_GIT_MISSING',
  'WORKSPACE_NOT_FOUND',
  'WORKSPACE_NOT_GIT',
  'WORKSPACE_OBJECTS_MISSING',
  'WORKSPACE_REF_NOT_FOUND',
  'WORKSPACE_SUBMODULES',
  'WORKSPACE_TAR_MISSING',
]);

/** Exit status for a guest command that could not be started, with the values that a shell uses. */
const GUEST_START: Readonly<Record<string, number>> = {
  COMMAND_NOT_FOUND: 127,
  COMMAND_NOT_EXECUTABLE: 126,
};

/** True when the command line was wrong or refused, and nothing was started. */
function isRefusal(error: unknown): boolean {
  return isAppError(error) && (error.code.startsWith('USAGE_') || REFUSALS.has(error.code));
}

/** Returns the exit status for an error. */
export function exitStatusOf(error: unknown, { runsGuestCommand }: { runsGuestCommand: boolean }): number {
  const real = realErrorOf(error);
  if (real instanceof InterruptedError) return real.exitCode;
  if (real instanceof OutputClosedError) return runsGuestCommand ? PIPE : 0;
  if (isRefusal(real)) return USAGE;
  if (!runsGuestCommand) return 1;
  return (isAppError(real) && GUEST_START[real.code]) || OURS;
}
