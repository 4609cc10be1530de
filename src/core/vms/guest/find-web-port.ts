import { type Abortable, anySignal, sleep } from '../../../base/abort.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { ANSWER_DEADLINE_MS, MAX_PROBED, speaksWeb, type WebScheme } from './web-probe.ts';

/**
 * `ms` for the first answer of a server while no other port is a web server: one that compiles its first page
 * takes long in an emulated guest.
 */
const LONG_DEADLINE_MS = 10_000;

/** How long {@link findWebPort} waits, in `ms`. */
export interface FindWebPortPatience {
  /** for a port before a higher one may be chosen in its place */
  shortMs: number;
  /** for any port, while none is a web server */
  longMs: number;
}

/**
 * Returns the lowest TCP port of the guest that answers plain HTTP; `undefined` when none does. One that is
 * slow to answer counts when no other does.
 */
export async function findWebPort(
  agent: GuestAgent,
  {
    signal,
    shortMs = ANSWER_DEADLINE_MS,
    longMs = LONG_DEADLINE_MS,
  }: Abortable & Partial<FindWebPortPatience>,
): Promise<number | undefined> {
  const listening = (await agent.ports({ signal })).filter(({ proto }) => proto === 'tcp');
  const candidates = [...new Set(listening.map(({ port }) => port))].sort((a, b) => a - b);
  const stop = new AbortController();
  using probing = anySignal(signal, stop.signal);
  const options = { signal: probing.signal, deadlineMs: longMs };
  const probes = candidates
    .slice(0, MAX_PROBED)
    .map(async (port) => ({ port, scheme: await speaksWeb(agent, port, options) }));
  // Those that are not needed any more are cancelled.
  const all = Promise.allSettled(probes);
  try {
    return await firstWebPort(probes, sleep(shortMs, { signal: probing.signal }));
  } finally {
    stop.abort();
    await all;
  }
}

/** The first of them that is a web server when `isLate` resolves, or else the one that answers first. */
async function firstWebPort(
  probes: readonly Promise<{ port: number; scheme: WebScheme | undefined }>[],
  isLate: Promise<void>,
): Promise<number | undefined> {
  isLate.catch(() => {});
  for (const probe of probes) {
    const found = await Promise.race([probe, isLate]);
    if (found?.scheme === 'http') return found.port;
  }
  const left = new Map(probes.map((probe, index) => [index, probe.then((found) => ({ ...found, index }))]));
  while (left.size > 0) {
    const { port, scheme, index } = await Promise.race(left.values());
    if (scheme === 'http') return port;
    left.delete(index);
  }
  return undefined;
}
