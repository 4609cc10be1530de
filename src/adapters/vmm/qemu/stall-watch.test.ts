import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { nullLog } from '../../../../test/support/null-log.ts';
import { neverAborts, poll } from '../../../base/abort.ts';
import { LineSplitter } from '../../../base/line-splitter.ts';
import { openQmp } from './qmp-client.ts';
import { StallWatch } from './stall-watch.ts';

const signal = neverAborts();
const STOPPED = '{"event": "BLOCK_IO_ERROR", "data": {"action": "stop"}}\n';

test('a guest that is said to run, and stops again before that is heard, is let go on again', async () => {
  const [ours, theirs] = duplexPair();
  // What it says of itself, one time after the other; then it runs.
  const states = ['running', 'io-error', 'running+stop', 'io-error', 'running'];
  const asked: string[] = [];
  playQemu(theirs, (command) => {
    asked.push(command);
    if (command !== 'query-status') return ['{}', ''];
    const [status, stops] = (states.shift() ?? 'running').split('+');
    return [`{"status": "${status}"}`, stops ? STOPPED : ''];
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

/** Answers each command with what `answer` gives, and with what QEMU says right after. */
function playQemu(stream: Duplex, answer: (command: string) => [value: string, after: string]): void {
  const lines = new LineSplitter();
  stream.write('{"QMP": {"version": {}, "capabilities": []}}\n');
  stream.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) {
      const { execute, id } = JSON.parse(line) as { execute: string; id: number };
      const [value, after] = execute === 'qmp_capabilities' ? ['{}', ''] : answer(execute);
      stream.write(`{"return": ${value}, "id": ${id}}\n${after}`);
    }
  });
}

async function until(isSo: () => boolean): Promise<void> {
  await poll(() => isSo() || undefined, { everyMs: 1, deadlineMs: 5_000, what: 'it', signal });
}
