import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import { processEnvironment } from '../../src/config/settings.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { fill } from '../support/steps/fill.ts';
import { openStepLab } from '../support/steps/step-lab.ts';

const signal = neverAborts();

test('a guest that writes while the disk of the host is full is paused, also under the next daemon, and loses nothing', {
  skip: process.getuid?.() === 0 ? false : 'only root can mount a file system to fill',
}, async () => {
  await using lab = await openStepLab({
    kind: 'qemu',
    ownsCache: false,
    sizeBytes: 400 * 2 ** 20,
    env: (dir) => ({
      ...processEnvironment(),
      XDG_STATE_HOME: join(dir, 's'),
      XDG_RUNTIME_DIR: join(dir, 'r'),
      XDG_CONFIG_HOME: join(dir, 'c'),
    }),
  });
  const inGuest = async (script: string): Promise<string> => {
    using session = await lab.client.exec('box', { argv: ['sh', '-c', script] }, { signal });
    return (await session.collect()).stdout.toString();
  };
  const until = async (what: string, look: () => Promise<true | undefined>): Promise<void> => {
    await poll(look, { everyMs: 200, deadlineMs: 180_000, what, signal });
  };
  /** What the user learns of the guest. One that has just been paused or resumed may not answer. */
  const guestState = async (): Promise<'runs' | 'is paused' | 'does not answer'> => {
    try {
      await inGuest('true');
      return 'runs';
    } catch (error) {
      if (isAppError(error, 'GUEST_UNREACHABLE', 'GUEST_LOST', 'WAIT_TIMEOUT')) return 'does not answer';
      assert.match(String(error), /guest of vm "box": it is paused, because this host has no disk space/);
      return 'is paused';
    }
  };
  const isPaused = async (): Promise<true | undefined> =>
    (await guestState()) === 'is paused' ? true : undefined;
  await lab.start();
  const shape = { memoryMib: 512, diskSizeBytes: 2 ** 30, systemOverlaySizeBytes: 2 ** 30 };
  await resultOf(lab.client.createVm({ name: 'box', ...shape }, { signal }));
  fill(lab.mountedDir);
  const earlier = assert.rejects(inGuest('sleep 1000'), {
    code: 'HOST_NO_SPACE',
    message: /guest of vm "box": it is paused, because this host has no disk space/,
  });
  // The write continues in the background, also while no daemon runs.
  const write = 'seq 1 3000000 > /root/numbers && sync && md5sum < /root/numbers > /root/sum';
  await inGuest(`(${write}) > /dev/null 2>&1 < /dev/null &`);
  await until('the guest to be paused', async () => {
    // The daemon may free space in the background, for example that of the VM from which a template was just
    // made.
    fill(lab.mountedDir);
    return await isPaused();
  });
  // A running command fails once the guest has been silent for long enough.
  await earlier;
  await lab.kill();
  await lab.start();
  await until('the guest to be paused for the next daemon', isPaused);
  assert.equal(lab.records()[0]?.state, 'running');

  await lab.freeSpace();
  await until('the guest to resume', async () => ((await guestState()) === 'runs' ? true : undefined));
  // The guest has been paused for much longer than that.
  await until('the right time in the guest', async () => {
    const before = Date.now();
    const guestMs = Number(await inGuest('date +%s%3N'));
    return guestMs > before - 1_000 && guestMs < Date.now() + 1_000 ? true : undefined;
  });
  const sum = 'while ! test -s /root/sum; do sleep 0.1; done; cat /root/sum; seq 1 3000000 | md5sum';
  const [written, wanted] = (await inGuest(sum)).split('\n');
  assert.equal(written, wanted);
  assert.equal(await inGuest('dmesg | grep -i "i/o error" || echo none'), 'none\n');
});
