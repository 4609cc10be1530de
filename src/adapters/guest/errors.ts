import { AppError, isAppError, isErrno, printable } from '../../base/errors.ts';

/** The agent's description of a request that it refused. */
export interface Refusal {
  code: string;
  message: string;
  /** the step of a personalisation that failed */
  step?: string | undefined;
}

/** How errors name the guest. */
export interface Subject {
  /** path of the agent's socket */
  endpoint: string;
  /** the VM's name, for hints; undefined for a VM that users cannot name */
  vmName: string | undefined;
}

/** Nothing answered the hello. */
export function unreachable({ endpoint, vmName }: Subject, state: string, cause?: unknown): AppError {
  return new AppError('GUEST_UNREACHABLE', `Cannot reach the guest agent at "${endpoint}": ${state}`, {
    hint: vmName && `the VM's console shows what the guest does: banger vm logs ${vmName}`,
    cause,
  });
}

/** The link ended before the guest had answered. */
export function lost(action: string, cause?: unknown): AppError {
  return new AppError('GUEST_LOST', `Cannot ${action}: the link to the guest was lost`, {
    hint: 'banger vm show NAME says whether the VM still runs; if it does, try again',
    cause,
  });
}

/** The host speaks the agent's generation, but that generation lacks this request. */
export function tooOld(
  action: string,
  { vmName, ...details }: { generation: number; since: number; vmName: string | undefined },
): AppError {
  const { generation, since } = details;
  return new AppError(
    'GUEST_GENERATION',
    `Cannot ${action}: the VM has an earlier agent, of generation ${generation}, and this needs generation ${since}`,
    { hint: restartHint(vmName), details },
  );
}

/** The hint that tells how a VM gets the current agent. */
export function restartHint(vmName: string | undefined): string {
  return `restart the VM, which gives it the agent of this version${vmName ? `: banger vm restart ${vmName}` : ''}`;
}

/** So many requests are open that another one could delay those that must not wait. */
export function busy(action: string, openCount: number): AppError {
  return new AppError(
    'GUEST_BUSY',
    `Cannot ${action}: ${openCount} commands, copies and connections are open to this guest`,
    { hint: 'end some of them, or use a second VM', details: { openCount } },
  );
}

/** The guest's answer violates the protocol. */
export function brokenProtocol(action: string, what: string, cause?: unknown): AppError {
  return new AppError('GUEST_PROTOCOL', `Cannot ${action}: the guest answered ${what}`, { cause });
}

/** The agent refused. `guestCode` and `message` come from the guest and are not trusted. */
export function refused(action: string, answer: Refusal & { status: number }): AppError {
  return new AppError('GUEST_FAILED', `Cannot ${action}: ${printable(answer.message)}`, {
    details: {
      guestCode: printable(answer.code),
      status: answer.status,
      ...(answer.step === undefined ? {} : { step: printable(answer.step) }),
    },
  });
}

/**
 * A session ends with one of the HTTP/2 codes when the guest sent something else, with a socket's code or
 * none when the guest went away, and with another AppError when the reason for its silence is known.
 */
export function whyGone(action: string, cause: unknown): AppError {
  if (isAppError(cause) && cause.code !== 'GUEST_LOST') return cause;
  return isErrno(cause, 'ERR_HTTP2_ERROR', 'ERR_HTTP2_SESSION_ERROR')
    ? brokenProtocol(action, 'what is not HTTP/2', cause)
    : lost(action, cause);
}
