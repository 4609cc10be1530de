import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../../base/log.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { watchGuestPorts } from './watch-guest-ports.ts';

test('a guest that answers nonsense is asked again and again, and the log names it once', async () => {
  const logged: Record<string, unknown>[] = [];
  const log = createLogger((line) => logged.push(JSON.parse(line) as Record<string, unknown>), {
    level: 'warn',
  });
  const stop = new AbortController();
  const reported: number[][] = [];
  let asked = 0;
  const watchPorts = async function* (): AsyncIterable<ReadonlySet<number>> {
    asked += 1;
    // What it says now and then does not make it trustworthy.
    yield new Set([asked]);
    if (asked === 5) stop.abort();
    throw new Error('nonsense');
  };
  const live = { agent: async () => ({ watchPorts }) as unknown as GuestAgent };
  await watchGuestPorts(
    { live, log },
    { id: 'ab', name: 'web' },
    { onPorts: (ports) => reported.push([...ports]), signal: stop.signal },
  );
  assert.deepEqual(reported, [[1], [2], [3], [4], [5]]);
  assert.deepEqual(
    logged.map(({ vmId, vm, msg }) => [vmId, vm, msg]),
    [['ab', 'web', 'a guest does not say which ports it has']],
  );
});
