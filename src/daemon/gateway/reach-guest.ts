import type { Duplex } from 'node:stream';
import { type Abortable, withDeadline } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { guestFailed, indexAnswer, notRunning, noWebServer, type OwnAnswer } from './answers.ts';
import type { GatewayTarget } from './gateway-name.ts';
import type { GatewayGuests, GatewayVm } from './guests.ts';

/** `ms` that a request waits for a VM that is being resumed, and for its port. */
const REACH_MS = 60_000;

/** A stream to the server in a guest that a request is for. */
export interface ReachedGuest {
  vm: GatewayVm;
  port: number;
  stream: Duplex;
}

/** States in which a VM serves requests, or does after it was resumed. */
const SERVING = ['running', 'suspended', 'suspending', 'resuming'];

/**
 * Connects a request to the guest that its `Host` names; resumes a suspended VM. Returns our own answer
 * instead when that is impossible. The stream ends when `signal` aborts.
 *
 * @throws the abort reason
 */
export async function reachGuest(
  guests: GatewayGuests,
  { target, signal }: Abortable & { target: Exclude<GatewayTarget, { kind: 'foreign' }> },
): Promise<ReachedGuest | OwnAnswer> {
  if (target.kind !== 'vm') return indexAnswer(target);
  const vm = guests.find(target.name);
  if (!vm) return indexAnswer(target);
  if (!SERVING.includes(vm.state)) return notRunning(vm.name, vm.state);
  try {
    const what = `vm "${vm.name}" to be reached`;
    const port = await withDeadline(
      async (inner) => {
        await guests.wake(vm, { signal: inner });
        return target.port ?? (await guests.webPort(vm, { signal: inner }));
      },
      { signal, deadlineMs: REACH_MS, what },
    );
    if (port === undefined) return noWebServer(vm.name);
    return { vm, port, stream: await openPort(guests, { vm, port, signal, isChosen: !target.port }) };
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return guestFailed(vm.name, target.port, error);
  }
}

/** When the port was chosen earlier and is closed now, the next request looks for another one. */
async function openPort(
  guests: GatewayGuests,
  { vm, port, isChosen, signal }: Abortable & { vm: GatewayVm; port: number; isChosen: boolean },
): Promise<Duplex> {
  try {
    return await guests.open(vm, port, { signal });
  } catch (error) {
    if (isChosen) guests.forgetWebPort(vm);
    if (!isChosen || !isAppError(error, 'GUEST_PORT_CLOSED')) throw error;
    const next = await guests.webPort(vm, { signal });
    if (next === undefined) throw error;
    return await guests.open(vm, next, { signal });
  }
}
