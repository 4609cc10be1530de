import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DriverTests, limit } from './driver-tests.ts';
import { newPlace } from './fixture.ts';
import { noNamespaces } from './host-checks.ts';
import { EXPECTED_NETWORK } from './network-task.ts';
import { runTask } from './run-task.ts';

/** The guest reaches the network only when it is allowed to. */
export function addNetworkTests(tests: DriverTests): void {
  tests.check('reports whether guests can be connected to the network', async ({ driver }) => {
    const { isUsable, reason } = await driver.probeNetwork(limit());
    assert.equal(isUsable, driver.lacks.network === undefined, reason);
  });

  tests.check(
    'a guest reaches the network only with NAT, also when that changes while it runs',
    async ({ fixture }) => {
      const { spec, vmDir } = await newPlace(fixture);
      const resolvConf = join(vmDir, 'resolv.conf');
      await writeFile(resolvConf, 'nameserver 127.0.0.1\n');
      const isolate = 'mount --bind "$0" /etc/resolv.conf && ip link set lo up && exec "$@"';
      const prefix = ['unshare', '-Urnm', 'sh', '-c', isolate, resolvConf];
      const seen = await runTask('tryNetwork', { driver: fixture.driver, spec }, { prefix });
      assert.deepEqual(seen, EXPECTED_NETWORK);
    },
    { needs: ['network'], whyNot: () => noNamespaces('-Urnm') },
  );
}
