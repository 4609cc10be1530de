import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { answer, playQemu } from '../../../../../test/support/fakes/played-qemu.ts';
import { nullLog } from '../../../../../test/support/null-log.ts';
import { neverAborts, poll } from '../../../../base/abort.ts';
import { invariant } from '../../../../base/errors.ts';
import { readVmmProcess } from '../../vmm-process.ts';
import { openQmp } from '../qmp/qmp-client.ts';
import { BootWatch } from './boot-watch.ts';

const signal = neverAborts();
const until = (isSo: () => boolean): Promise<void> =>
  poll(async () => isSo() || undefined, { signal, deadlineMs: 20_000, everyMs: 2, what: 'it to be so' }).then(
    () => {},
  );

test('a guest that has read its drives, restarts, and hangs before it reads them again is reset', async () => {
  const busy = spawn('/bin/sh', ['-c', 'while :; do :; done']);
  using _ = { [Symbol.dispose]: () => void busy.kill('SIGKILL') };
  invariant(busy.pid !== undefined, 'the shell runs');
  const vmm = await readVmmProcess(busy.pid);
  invariant(vmm, 'the shell runs');
  const [ours, theirs] = duplexPair();
  const asked: string[] = [];
  let reads = 0;
  playQemu(theirs, (request) => {
    asked.push(request.execute);
    if (request.execute === 'query-chardev') return answer(theirs, request, [{ label: 'agent' }]);
    if (request.execute !== 'query-blockstats') return answer(theirs, request, {});
    return answer(theirs, request, [{ stats: { rd_operations: reads } }, {}]);
  });
  using qmp = await openQmp(ours, { signal });
  const looks = (): number => asked.filter((command) => command === 'query-blockstats').length;

  reads = 3;
  new BootWatch({ vmId: 'x', vmm, qmp, log: nullLog, stuckCpuMs: 30, lookEveryMs: 5 });
  await until(() => looks() === 1);
  theirs.write('{"event": "RESET", "data": {}}\n');
  await until(() => asked.includes('system_reset'));
  assert.ok(looks() >= 3);
  assert.ok(!asked.includes('quit'));

  theirs.write('{"event": "VSERPORT_CHANGE", "data": {"id": "agent", "open": true}}\n');
  await until(() => asked.includes('set-action'));
});
