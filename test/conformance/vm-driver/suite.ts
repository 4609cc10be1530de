import { addBaseTests } from './base-tests.ts';
import { addDriveTests } from './drive-tests.ts';
import { describeDriver } from './driver-tests.ts';
import { addFailingStartTests } from './failing-start-tests.ts';
import type { DriverFixture } from './fixture.ts';
import { addLifeTests } from './life-tests.ts';
import { addNetworkTests } from './network-tests.ts';

/**
 * The suite that every VM driver passes, against real VMs where the driver has them; see `describeDriver`.
 */
export function describeVmDriver(
  name: string,
  makeFixture: (dir: string) => Promise<DriverFixture | string>,
): void {
  describeDriver(`VM driver "${name}"`, makeFixture, (tests) => {
    addLifeTests(tests);
    addFailingStartTests(tests);
    addDriveTests(tests);
    addBaseTests(tests);
    addNetworkTests(tests);
  });
}
