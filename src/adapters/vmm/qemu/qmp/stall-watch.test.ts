import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { answer, playQemu } from '../../../../../test/support/fakes/played-qemu.ts';
import { nullLog } from '../../../../../test/support/null-log.ts';
import { neverAborts, poll } from '../../../../base/abort.ts';
import { openQmp } from './qmp-client.ts';
import { StallWatch } from './stall-watch.ts';

const signal = neverAborts();
const STOPPED = '{"event": "BLOCK_IO_ERROR", "data": {"action": "stop"}}\n';

test('a guest that reports that it runs, and stalls again before that is processed, is resumed again', async () => {
  const [ours, theirs] = duplexPair();
  // The states that QEMU reports, one after another; afterwards the guest runs.
  const states = ['running', 'io-error', 'running+stop', 'io-error', 'running'];
  const asked: string[] = [];
  playQemu(theirs, (request) => {
    asked.push(request.execute);
    if (request.execute !== 'query-status') return answer(theirs, request, {});
    const [status, stops] = (states.shift() ?? 'running').split('+');
    answer(theirs, request, { status });
    if (stops) theirs.write(STOPPED);
  });
  using qmp = await openQmp(ours, { signal });
  const watch = new StallWatch(qmp, {
    log: nullLog,
    vmId: 'x',
    goesOn: async () => void asked.push('goes on'),
    retryEveryMs: 2,
  });
  await until(() => asked.length === 1);
  theirs.write(STOPPED);
  await until(() => watch.isStalled);
  await until(() => !watch.isStalled);
  assert.deepEqual(states, []);
  assert.equal(asked.filter((command) => command === 'cont').length, 2);
  assert.equal(asked.at(-1), 'goes on');
});

test('a guest that was stalled before is known to be, before anybody may connect to its agent', async () => {
  const [ours, theirs] = duplexPair();
  playQemu(theirs, (request) => {
    answer(theirs, request, request.execute === 'query-status' ? { status: 'io-error' } : {});
  });
  using qmp = await openQmp(ours, { signal });
  const watch = new StallWatch(qmp, { log: nullLog, vmId: 'x', goesOn: async () => {} });
  await watch.known;
  assert.equal(watch.isStalled, true);
});

async function until(isSo: () => boolean): Promise<void> {
  await poll(() => isSo() || undefined, { everyMs: 1, deadlineMs: 55_000, what: 'it', signal });
}
