import { type Abortable, sleep } from '../../../base/abort.ts';
import { Slots } from '../../../base/slots.ts';
import type { VmForward } from '../../../protocol/vm.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { HostConnector } from '../../ports/loopback.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';
import { joinConnection } from './join-connection.ts';

/** Most connections of one guest to exposed ports that are passed on at once; the others wait. */
const MAX_SERVED = 64;

/** `ms` before a port that could not be exposed is tried again: doubled each time, within these limits. */
const RETRY_MS = { first: 250, most: 10_000 };

/**
 * The ports of this host's 127.0.0.1 that one running guest reaches at its own 127.0.0.1. The guest names a
 * connection, never a port: it reaches these ports and nothing else.
 */
export class ExposedPorts implements Disposable {
  readonly #world: Pick<Vms, 'live' | 'log'>;
  readonly #vmId: string;
  readonly #host: HostConnector;
  readonly #slots = new Slots(MAX_SERVED);
  /** by forward, as JSON */
  readonly #running = new Map<string, AbortController>();

  constructor(world: Pick<Vms, 'live' | 'log'>, vmId: string, host: HostConnector) {
    this.#world = world;
    this.#vmId = vmId;
    this.#host = host;
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
    let retryMs = RETRY_MS.first;
    let hasWarned = false;
    while (!signal.aborted) {
      try {
        const helloDeadlineMs = AGENT_DEADLINES_MS.answer;
        const agent = await live.agent(this.#vmId, { signal, helloDeadlineMs });
        for await (const connection of agent.expose(guestPort, { signal })) {
          retryMs = RETRY_MS.first;
          void this.#serve(agent, { connection, hostPort, signal });
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!hasWarned)
          log.warn('a port of this host cannot be exposed now', { vmId: this.#vmId, hostPort, error });
        hasWarned = true;
      }
      await sleep(retryMs, { signal }).catch(() => {});
      retryMs = Math.min(2 * retryMs, RETRY_MS.most);
    }
  }

  /** Never rejects: a connection that cannot be served is closed. */
  async #serve(
    agent: GuestAgent,
    { connection, hostPort, signal }: Abortable & { connection: number; hostPort: number },
  ): Promise<void> {
    try {
      using _slot = await this.#slots.take({ signal });
      const guest = await agent.exposed(connection, { signal });
      try {
        await joinConnection(await this.#host.connect(hostPort, { signal }), guest);
      } finally {
        guest.destroy();
      }
    } catch (error) {
      this.#world.log.debug('a connection to an exposed port was not served', { hostPort, error });
    }
  }
}
