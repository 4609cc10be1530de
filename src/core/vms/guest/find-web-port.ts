import { type Abortable, anySignal } from '../../../base/abort.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { MAX_PROBED, speaksWeb } from './web-probe.ts';

/** Returns the lowest TCP port of the guest that answers plain HTTP; `undefined` when none does. */
export async function findWebPort(agent: GuestAgent, { signal }: Abortable): Promise<number | undefined> {
  const listening = (await agent.ports({ signal })).filter(({ proto }) => proto === 'tcp');
  const candidates = [...new Set(listening.map(({ port }) => port))].sort((a, b) => a - b);
  const stop = new AbortController();
  using probing = anySignal(signal, stop.signal);
  const probes = candidates
    .slice(0, MAX_PROBED)
    .map(async (port) => ({ port, scheme: await speaksWeb(agent, port, { signal: probing.signal }) }));
  // Those above the first web server are cancelled.
  const all = Promise.allSettled(probes);
  try {
    for (const probe of probes) {
      const { port, scheme } = await probe;
      if (scheme === 'http') return port;
    }
    return undefined;
  } finally {
    stop.abort();
    await all;
  }
}
