import { type Abortable, sleep } from '../../../base/abort.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';

/** `ms` before the first look: the first command of a new VM comes first. */
const FIRST_LOOK_MS = 300;

/** `ms` between two looks at a guest whose agent cannot watch. */
const OLD_AGENT_MS = 2_000;

/** `ms` before a failed watch is tried again: doubled each time, within these limits. */
const RETRY_MS = { first: 250, most: 10_000 };

/**
 * Calls `onPorts` with the TCP ports on which something in the guest listens, now and after each change,
 * until `signal` aborts. Never rejects: a guest that does not answer is tried again.
 */
export async function watchGuestPorts(
  world: Pick<Vms, 'live' | 'log'>,
  vmId: string,
  { onPorts, signal }: Abortable & { onPorts: (ports: ReadonlySet<number>) => void },
): Promise<void> {
  let retryMs = RETRY_MS.first;
  let pauseMs = FIRST_LOOK_MS;
  while (!signal.aborted) {
    try {
      await sleep(pauseMs, { signal });
      const agent = await world.live.agent(vmId, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.answer });
      for await (const ports of agent.watchPorts({ signal })) {
        retryMs = RETRY_MS.first;
        onPorts(ports);
      }
      pauseMs = OLD_AGENT_MS;
    } catch (error) {
      if (signal.aborted) return;
      world.log.debug('the ports of a guest cannot be watched now', { vmId, error });
      pauseMs = retryMs;
      retryMs = Math.min(2 * retryMs, RETRY_MS.most);
    }
  }
}
