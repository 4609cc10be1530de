import { type Abortable, poll, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import { RESTING_STATES, type WaitCondition } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findVm } from '../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';

/** How often the record is read. */
const EVERY_MS = 100;

/** How long {@link waitForVm} waits by default: in effect for ever. */
const FOR_EVER_MS = 2 ** 31 - 1;

/**
 * Waits until a VM is what `until` says and returns its record; for `deleted`, the last record that it had.
 * Takes no lock and changes nothing.
 *
 * @throws {AppError} VM_NOT_FOUND, also when it is deleted while something else is waited for; WAIT_TIMEOUT
 * after `timeoutMs`.
 */
export async function waitForVm(
  world: Pick<Vms, 'records' | 'live'>,
  ref: string,
  options: Task & { until: WaitCondition; timeoutMs?: number | undefined },
): Promise<VmRecord> {
  const { until, timeoutMs = FOR_EVER_MS, report, signal } = options;
  let last = findVm(world.records, ref);
  const { id, name } = last;
  let told: string | undefined;
  const tell = (state: string): void => {
    if (state === told) return;
    told = state;
    report({ event: 'progress', stage: `until ${until}`, detail: `"${name}" is ${state}` });
  };
  const look = async (inner: AbortSignal): Promise<VmRecord | undefined> => {
    const record = world.records.get(id);
    if (!record) {
      if (until === 'deleted') return last;
      throw new AppError('VM_NOT_FOUND', `Cannot wait for "${name}" to be ${until}: it was deleted`, {
        details: { ref: id },
      });
    }
    last = record;
    tell(record.state);
    return (await isSo(world, record, { until, signal: inner })) ? record : undefined;
  };
  const what = `"${name}" to be ${until}`;
  return await withDeadline(
    (inner) => poll(() => look(inner), { everyMs: EVERY_MS, deadlineMs: timeoutMs, what, signal: inner }),
    { signal, deadlineMs: timeoutMs, what },
  );
}

async function isSo(
  world: Pick<Vms, 'live'>,
  { id, state }: VmRecord,
  { until, signal }: Abortable & { until: WaitCondition },
): Promise<boolean> {
  switch (until) {
    case 'running':
      return state === 'running';
    case 'ready':
      return state === 'running' && (await answers(world, id, { signal }));
    case 'stopped':
      return RESTING_STATES.includes(state);
    case 'deleted':
      return false;
    default:
      return until satisfies never;
  }
}

async function answers(world: Pick<Vms, 'live'>, vmId: string, { signal }: Abortable): Promise<boolean> {
  const options = { signal, deadlineMs: AGENT_DEADLINES_MS.optional, what: 'the guest agent to answer' };
  try {
    return await withDeadline(async (inner) => {
      const agent = await world.live.agent(vmId, {
        signal: inner,
        helloDeadlineMs: AGENT_DEADLINES_MS.optional,
      });
      return (await agent.health({ signal: inner })).ready;
    }, options);
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error)) return false;
    throw error;
  }
}
