import type { Duplex } from 'node:stream';
import { type Abortable, onAbort, sleep } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { RetryPauses } from '../../../base/retry-pauses.ts';
import type { Slots } from '../../../base/slots.ts';
import type { LocalConnection, PeerUsers } from '../../ports/loopback.ts';
import { hasEndedWhole, joinConnection } from './join-connection.ts';
import { reachGuestPort } from './reach-guest-port.ts';
import type { WakeWorld } from './wake-vm.ts';

/** Who may connect to forwarded ports: the user of the daemon, or everybody on this host. */
export type ForwardTo = 'user' | 'all';

/** Pauses before a guest to which too much is open is tried again. */
const RETRY = { firstMs: 5, longestMs: 250 };

/** What {@link serveConnection} needs besides the connection. */
export interface ServeConnectionOptions extends Abortable {
  vmId: string;
  guestPort: number;
  forwardTo: ForwardTo;
  peers: PeerUsers;
  /** how many connections of the VM are passed on at once; the others wait */
  slots: Slots;
  /** marks the VM as in use */
  use: (vmId: string) => Disposable;
  /** waits until the VM is taken over from an earlier daemon */
  ready: (vmId: string, options: Abortable) => Promise<void>;
}

/**
 * Connects a program of this host with a port of a guest, and resumes a suspended VM for it; the connection
 * waits meanwhile. Settles when the connection has ended. Breaks a connection that cannot be served, and
 * those of other users.
 *
 * @throws why it could not be served; the abort reason.
 */
export async function serveConnection(
  world: WakeWorld,
  connection: LocalConnection,
  { vmId, guestPort, forwardTo, peers, slots, use, ready, signal }: ServeConnectionOptions,
): Promise<void> {
  const gone = new AbortController();
  const { stream: client } = connection;
  client.once('close', () => {
    if (!hasEndedWhole(client)) gone.abort(new DOMException('The client is gone', 'AbortError'));
  });
  using _abort = onAbort(signal, () => {
    gone.abort(signal.reason);
    connection.reset();
  });
  const options = { signal: gone.signal };
  try {
    const mayConnect = forwardTo === 'user' ? peers.isOwn : peers.isAny;
    if (!(await mayConnect.call(peers, connection, options))) {
      connection.reset();
      return;
    }
    using _use = use(vmId);
    using _slot = await slots.take(options);
    await ready(vmId, options);
    const stream = await reachWhenFree(world, { ref: vmId, port: guestPort, ...options });
    await joinConnection(connection, stream);
  } catch (error) {
    connection.reset();
    if (!gone.signal.aborted || signal.aborted) throw error;
  }
}

/**
 * As {@link reachGuestPort}, but waits while too much is open to the guest: a connection that was broken
 * counts there until the guest has been told, and commands and copies count too.
 */
async function reachWhenFree(
  world: WakeWorld,
  place: Abortable & { ref: string; port: number },
): Promise<Duplex> {
  const pauses = new RetryPauses(RETRY);
  for (;;) {
    try {
      return await reachGuestPort(world, place);
    } catch (error) {
      if (!isAppError(error, 'GUEST_BUSY')) throw error;
      await sleep(pauses.next(), place);
    }
  }
}
