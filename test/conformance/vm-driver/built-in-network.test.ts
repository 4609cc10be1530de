import assert from 'node:assert/strict';
import { BUILT_IN_NETWORK, HUB } from '../../../src/adapters/vmm/qemu/launch/qemu-network.ts';
import { connectQmp } from '../../../src/adapters/vmm/qemu/qmp/qmp-client.ts';
import { runtimeFiles } from '../../../src/adapters/vmm/qemu/runtime-files.ts';
import { ask, describeDriver, limit } from './driver-tests.ts';
import { newPlace } from './fixture.ts';
import { makeQemuFixture } from './qemu-fixture.ts';
import { filesIn } from './saved-files.ts';

const numberOr = (text = ''): string | number => (/^\d+$/.test(text) ? Number(text) : text);

/** QEMU's own network, as earlier versions of banger connected it. */
const [USER, PORT] = BUILT_IN_NETWORK.map((option) => {
  const [type, ...options] = option.split(',');
  const values = options.map((one) => one.split('=')).map(([name, value]) => [name, numberOr(value)]);
  return { type, ...Object.fromEntries(values) };
});

describeDriver('guests that earlier versions of banger captured', makeQemuFixture, (tests) => {
  tests.check(
    "a guest that was captured with QEMU's own network is restored, and gets ours",
    async (bench) => {
      const { fixture, driver } = bench;
      const { spec, vmDir } = await newPlace(fixture);
      const first = await driver.start(spec, limit());
      await ask(first, 'remember what-it-knew', fixture);
      first.detach();
      {
        using qmp = await connectQmp(runtimeFiles(spec.runtimeDir).qmpSocket, limit());
        await qmp.execute('netdev_add', { ...USER, restrict: false }, limit());
        await qmp.execute('netdev_add', { ...PORT, hubid: HUB.number }, limit());
      }
      const old = await driver.adopt(spec, limit());
      assert.ok(old);
      const to = filesIn(vmDir, 'old');
      await old.capture({ spec, to, drives: [] }, limit());
      await old.kill();
      await assert.rejects(driver.restore(spec, to, limit()), { code: 'VMM_RESTORE_FAILED' });
      const network = { mode: 'user', exposedPorts: [] } as const;
      const restored = await driver.restore(
        { ...spec, network },
        { ...to, hasBuiltInNetwork: true },
        limit(),
      );
      assert.equal(await ask(restored, 'recall', fixture), 'what-it-knew');
      assert.equal((await restored.networkState(limit()))?.isConnected, true);
      await restored.kill();
    },
  );
});
