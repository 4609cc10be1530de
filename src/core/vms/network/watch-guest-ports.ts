import { type Abortable, sleep } from '../../../base/abort.ts';
import { RetryPauses } from '../../../base/retry-pauses.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';

/** `ms` before the first look: the first command of a new VM comes first. */
const FIRST_LOOK_MS = 300;

/** `ms` between two looks at a guest whose agent cannot watch. */
const OLD_AGENT_MS = 2_000;

/** Pauses before a failed watch is tried again. */
const RETRY = { firstMs: 250, longestMs: 10_000 };

/** Failures after which the log names the VM: a guest on a busy host may miss one answer. */
const NAMED_AFTER = 2;

/**
 * Calls `onPorts` with the TCP ports on which something in the guest listens, now and after each change,
 * until `signal` aborts. Never rejects: a guest that does not answer, or answers nonsense, is tried again,
 * and the log names it once.
 */
export async function watchGuestPorts(
  world: Pick<Vms, 'log'> & { live: Pick<Vms['live'], 'agent'> },
  vm: { id: string; name: string },
  { onPorts, signal }: Abortable & { onPorts: (ports: ReadonlySet<number>) => void },
): Promise<void> {
  const pauses = new RetryPauses(RETRY);
  const fields = { vmId: vm.id, vm: vm.name };
  let pauseMs = FIRST_LOOK_MS;
  let failureCount = 0;
  while (!signal.aborted) {
    try {
      await sleep(pauseMs, { signal });
      const agent = await world.live.agent(vm.id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.answer });
      for await (const ports of agent.watchPorts({ signal })) {
        pauses.reset();
        onPorts(ports);
      }
      pauseMs = OLD_AGENT_MS;
    } catch (error) {
      if (signal.aborted) return;
      failureCount += 1;
      const level = failureCount === NAMED_AFTER ? 'warn' : 'debug';
      world.log[level]('a guest does not say which ports it has', { ...fields, failureCount, error });
      pauseMs = pauses.next();
    }
  }
}
