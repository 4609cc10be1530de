import { type Abortable, sleep, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { formatTime } from '../../../base/text/words.ts';
import type { WaitForVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findVm } from '../find-vm.ts';
import { waitForVm } from '../lifecycle/wait-for-vm.ts';
import type { Vms } from '../world.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';

/** `ms` between two looks at the ports of an agent that cannot watch them, or two tries of a command. */
const AGAIN_MS = 500;

/** `ms` that one try of a command may take; it is ended then, and tried again. */
const TRY_MS = 30_000;

/** `bytes` of the output of the last try that an error shows. */
const SHOWN_BYTES = 2_000;

/** Limit in `ms` of {@link waitInGuest} by default: in effect none. */
const FOR_EVER_MS = 2 ** 31 - 1;

/** What programs in a guest must have come to. */
interface GuestConditions {
  /** something listens on this TCP port */
  port?: number | undefined;
  /** this command of a shell succeeds */
  command?: string | undefined;
}

type WaitWorld = Pick<Vms, 'records' | 'live'>;

/**
 * Waits until a VM is ready, then until something in its guest listens on a port, then until a command
 * succeeds there, and returns its record. The command runs again after a short pause. A VM that stops
 * meanwhile is waited for.
 *
 * @throws {AppError} VM_NOT_FOUND, also when the VM is deleted; WAIT_TIMEOUT after `timeoutMs`, with the end
 * of the command's last output.
 */
async function waitInGuest(
  world: WaitWorld,
  ref: string,
  { timeoutMs = FOR_EVER_MS, ...options }: Task & GuestConditions & { timeoutMs?: number | undefined },
): Promise<VmRecord> {
  const { port, command, report, signal } = options;
  const { id, name } = findVm(world.records, ref);
  const last: LastTry = {};
  const what =
    command === undefined
      ? `something in "${name}" to listen on port ${port}`
      : `a command in "${name}" to succeed`;
  const work = async (inner: AbortSignal): Promise<VmRecord> => {
    for (;;) {
      const record = await waitForVm(world, id, { until: 'ready', report, signal: inner });
      try {
        if (port !== undefined) {
          report({ event: 'progress', stage: `until port ${port}`, detail: `"${name}" is ready` });
          await untilPort(world, id, { port, signal: inner });
        }
        if (command !== undefined) {
          report({ event: 'progress', stage: 'until the command succeeds', detail: `"${name}" is ready` });
          await untilCommand(world, record, { command, last, signal: inner });
        }
        return record;
      } catch (error) {
        inner.throwIfAborted();
        // The VM may have been stopped or restarted.
        if (!isAppError(error, 'GUEST_LOST', 'GUEST_UNREACHABLE', 'VM_NOT_RUNNING')) throw error;
        await sleep(AGAIN_MS, { signal: inner });
      }
    }
  };
  try {
    return await withDeadline(work, { signal, deadlineMs: timeoutMs, what });
  } catch (error) {
    throw isAppError(error, 'WAIT_TIMEOUT') && last.end ? timedOut(error, { name, timeoutMs, last }) : error;
  }
}

/** Waits for a state of the VM, or for its guest: {@link waitForVm} or {@link waitInGuest}. */
export async function waitAsAsked(
  world: WaitWorld,
  ref: string,
  { forPort, forCommand, ...options }: Task & WaitForVmRequest,
): Promise<VmRecord> {
  if (forPort === undefined && forCommand === undefined) return await waitForVm(world, ref, options);
  if (options.until !== 'ready') {
    const field = forPort === undefined ? 'forCommand' : 'forPort';
    throw new AppError(
      'REQUEST_INVALID',
      `Cannot use ${field} with until "${options.until}": it needs "ready"`,
      {
        details: { field },
      },
    );
  }
  return await waitInGuest(world, ref, { ...options, port: forPort, command: forCommand });
}

async function untilPort(
  world: WaitWorld,
  vmId: string,
  { port, signal }: Abortable & { port: number },
): Promise<void> {
  const agent = await world.live.agent(vmId, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  for (;;) {
    // Its end, at the return too, ends the watch.
    for await (const ports of agent.watchPorts({ signal })) if (ports.has(port)) return;
    await sleep(AGAIN_MS, { signal });
  }
}

/** How a command last failed. */
interface LastTry {
  end?: string;
  output?: Buffer;
}

async function untilCommand(
  world: WaitWorld,
  { id, workspace }: VmRecord,
  { command, last, signal }: Abortable & { command: string; last: LastTry },
): Promise<void> {
  const start = {
    argv: ['sh', '-c', command],
    ...(workspace === undefined ? {} : { cwd: workspace.guestPath }),
  };
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  for (;;) {
    let output: Buffer = Buffer.alloc(0);
    const onOutput = (chunk: Buffer): void => {
      output = Buffer.concat([output, chunk.subarray(-SHOWN_BYTES)]).subarray(-SHOWN_BYTES);
    };
    const what = 'one try of the command';
    try {
      const { exit } = await withDeadline((inner) => agent.run(start, { signal: inner, onOutput }), {
        signal,
        deadlineMs: TRY_MS,
        what,
      });
      if ('code' in exit && exit.code === 0) return;
      last.end = 'code' in exit ? `with status ${exit.code}` : `by ${exit.signal}`;
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
      last.end = `after ${formatTime(TRY_MS)}, because it took too long`;
    }
    last.output = output;
    await sleep(AGAIN_MS, { signal });
  }
}

function timedOut(
  cause: AppError,
  { name, timeoutMs, last: { end, output } }: { name: string; timeoutMs: number; last: LastTry },
): AppError {
  const text = output?.toString().trim() ?? '';
  const message = `Cannot wait for "${name}": the command did not succeed within ${formatTime(timeoutMs)}; it last ended ${end}`;
  return new AppError('WAIT_TIMEOUT', message, {
    hint: text === '' ? 'it printed nothing' : `its last output was: ${text}`,
    details: { ...(cause.details ?? {}), output: text },
  });
}
