import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobEvent } from '../../../protocol/api/job-output.ts';
import { jobLogReport } from './job-log-report.ts';

test('output is collected in order, and a guest that sends it without end is cut off', async () => {
  const MIB = Buffer.alloc(1024 * 1024);
  let sent = 0;
  async function* output(count: number): AsyncGenerator<JobEvent> {
    yield { kind: 'position', cursor: 3, droppedBytes: 3 };
    yield { kind: 'stderr', chunk: Buffer.from('a'), cursor: 4 };
    yield { kind: 'stdout', chunk: Buffer.from([255]), cursor: 5 };
    for (sent = 0; sent < count; sent += 1) yield { kind: 'stdout', chunk: MIB, cursor: 6 };
    yield { kind: 'exit', exit: { code: 1 } };
  }
  assert.deepEqual(await jobLogReport(output(0)), {
    droppedBytes: 3,
    output: [
      { stream: 'stderr', bytes: 'a' },
      { stream: 'stdout', bytes: { b64: '/w==' } },
    ],
    cursor: '5',
    exit: { code: 1 },
  });
  await assert.rejects(jobLogReport(output(1000)), { code: 'GUEST_PROTOCOL' });
  assert.ok(sent < 65, `${sent} MiB were taken`);
});
