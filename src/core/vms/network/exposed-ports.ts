import { type Abortable, sleep } from '../../../base/abort.ts';
import { RetryPauses } from '../../../base/retry-pauses.ts';
import { Slots } from '../../../base/slots.ts';
import type { VmForward } from '../../../protocol/vm.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { HostConnector } from '../../ports/loopback.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';
import { joinConnection } from './join-connection.ts';

/** Most connections of one guest to exposed ports that are served at once; the others wait in the guest. */
const MAX_SERVED = 64;

/** Pauses before a port that could not be exposed is tried again. */
const RETRY = { firstMs: 250, longestMs: 10_000 };

/** What {@link ExposedPorts} needs. */
export interface ExposedPortsOptions {
  vmId: string;
  host: HostConnector;
  /** marks the VM as in use */
  use: (vmId: string) => Disposable;
}

/**
 * The ports of this host's 127.0.0.1 that one running guest reaches at its own 127.0.0.1. The guest names a
 * connection, never a port: it reaches these ports and nothing else.
 */
export class ExposedPorts implements Disposable {
  readonly #world: Pick<Vms, 'live' | 'log'>;
  readonly #options: ExposedPortsOptions;
  readonly #slots = new Slots(MAX_SERVED);
  /** by forward, as JSON */
  readonly #running = new Map<string, AbortController>();

  constructor(world: Pick<Vms, 'live' | 'log'>, options: ExposedPortsOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Exposes exactly these ports from now on; does not wait for that. */
  set(forwards: readonly VmForward[]): void {
    const wanted = new Map(forwards.map((forward) => [JSON.stringify(forward), forward]));
    for (const [key, stop] of this.#running) {
      if (wanted.has(key)) continue;
      stop.abort();
      this.#running.delete(key);
    }
    for (const [key, forward] of wanted) {
      if (this.#running.has(key)) continue;
      const stop = new AbortController();
      this.#running.set(key, stop);
      void this.#expose(forward, stop);
    }
  }

  /** Ends all of it, connections included. Idempotent. */
  [Symbol.dispose](): void {
    this.set([]);
  }

  /** Never rejects. */
  async #expose({ hostPort, guestPort }: VmForward, { signal }: Abortable): Promise<void> {
    const { live, log } = this.#world;
    const { vmId } = this.#options;
    const pauses = new RetryPauses(RETRY);
    let hasWarned = false;
    while (!signal.aborted) {
      try {
        const helloDeadlineMs = AGENT_DEADLINES_MS.answer;
        const agent = await live.agent(vmId, { signal, helloDeadlineMs });
        for await (const connection of agent.expose(guestPort, { signal })) {
          pauses.reset();
          // Reads no further meanwhile: a guest can report connections without end.
          const slot = await this.#slots.take({ signal });
          void this.#serve(agent, { connection, hostPort, slot, signal });
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!hasWarned) log.warn('a port of this host cannot be exposed now', { vmId, hostPort, error });
        hasWarned = true;
      }
      await sleep(pauses.next(), { signal }).catch(() => {});
    }
  }

  /** Never rejects: a connection that cannot be served is closed. */
  async #serve(
    agent: GuestAgent,
    {
      connection,
      hostPort,
      slot,
      signal,
    }: Abortable & { connection: number; hostPort: number; slot: Disposable },
  ): Promise<void> {
    using _slot = slot;
    const { vmId, host, use } = this.#options;
    using _use = use(vmId);
    try {
      const guest = await agent.exposed(connection, { signal });
      try {
        await joinConnection(await host.connect(hostPort, { signal }), guest);
      } finally {
        guest.destroy();
      }
    } catch (error) {
      this.#world.log.debug('a connection to an exposed port was not served', { hostPort, error });
    }
  }
}
