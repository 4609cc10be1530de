import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectQmp } from '../../src/adapters/vmm/qemu/qmp/qmp-client.ts';
import { runtimeFiles } from '../../src/adapters/vmm/qemu/runtime-files.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

const signal = neverAborts();
const MB = 1e6;

/** How much the guest holds in memory, and how fast its disk writes it: half a minute. */
const DIRTY_BYTES = 128 * MB;
const BYTES_A_SECOND = 4 * MB;

/** The guest's kernel writes nothing to the disk before it is told to. */
const HOLD = [
  'sysctl -qw vm.dirty_ratio=90 vm.dirty_background_ratio=90',
  'sysctl -qw vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000',
].join(' && ');

test('vm stop waits for a guest that writes to a slow disk, and every byte is there at the next start', async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  const inBox = (script: string): Promise<string> =>
    lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', script]);
  await inBox(`${HOLD} && head -c ${DIRTY_BYTES} /dev/urandom > /root/large`);
  const before = await inBox('sha256sum /root/large');
  await slowDown(lab, 'box');
  const stopping = performance.now();
  const stopped = await lab.run(['vm', 'stop', '--json', 'box']);
  const seconds = (performance.now() - stopping) / 1000;
  const [told] = JSON.parse(stopped.stdout.toString());
  assert.deepEqual([stopped.code, told?.outcome, told?.synced], [0, 'stopped', true], stopped.stderr);
  assert.ok(seconds > 15, `it took ${seconds} s: the disk was not slow, so the test shows nothing`);
  await lab.text(['vm', 'start', 'box']);
  assert.equal(await inBox('sha256sum /root/large'), before);
});

/**
 * Limits the VM's disks. Its VMM serves one control connection at a time, so the daemon is stopped meanwhile.
 */
async function slowDown(lab: Lab, name: string): Promise<void> {
  const { id } = JSON.parse(await lab.text(['vm', 'show', name]));
  await lab.text(['daemon', 'stop']);
  using qmp = await connectQmp(runtimeFiles(join(lab.paths.vmRuntimeDir, id)).qmpSocket, { signal });
  for (const serial of ['overlay', 'work']) {
    const none = { bps: 0, bps_rd: 0, iops: 0, iops_rd: 0, iops_wr: 0 };
    const limit = { id: `drive-${serial}`, bps_wr: BYTES_A_SECOND, ...none };
    await qmp.execute('block_set_io_throttle', limit, { signal });
  }
}
