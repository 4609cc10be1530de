import { dirname, join } from 'node:path';
import { FirecrackerDriver } from '../../../src/adapters/vmm/firecracker/firecracker-driver.ts';
import { linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import { QemuDriver } from '../../../src/adapters/vmm/qemu/qemu-driver.ts';
import type { VmDriver } from '../../../src/core/ports/vmm/driver.ts';
import { createFakeVmDriver } from '../../support/fakes/fake-vm-driver.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { NO_SECRETS } from '../../support/network/no-secrets.ts';
import { nullLog } from '../../support/null-log.ts';
import { SOURCE_RECEIVER } from '../../support/receiver.ts';

/** The options of a driver. Plain data, so that another process can make the same driver. */
export interface DriverOptions {
  /** a key of {@link DRIVERS} */
  name: string;
  cacheDir: string;
  /** the built test guest */
  guestPath: string;
}

/** Every driver that the suite tests. A new one is a line here and a test file. */
const DRIVERS: Readonly<Record<string, (options: DriverOptions) => VmDriver>> = {
  qemu: ({ cacheDir }) =>
    new QemuDriver({
      cacheDir,
      facts: linuxHostFacts(),
      env: process.env,
      receiver: SOURCE_RECEIVER,
      hostTools: BUILT_HOST_TOOLS,
      secretValues: NO_SECRETS,
      log: nullLog,
    }),
  // A stand-in for the program, which plays a guest with the test guest.
  firecracker: ({ cacheDir }) =>
    new FirecrackerDriver({
      cacheDir,
      facts: linuxHostFacts(),
      env: process.env,
      program: join(dirname(cacheDir), 'firecracker'),
      accelerator: 'kvm',
      // Programs behind the wall start none.
      hostTools: '/none',
      log: nullLog,
    }),
  // The test guest plays the agent.
  fake: ({ guestPath }) =>
    createFakeVmDriver({ guestArgv: (socketPath) => [guestPath, '--socket', socketPath] }),
};

/** Makes a driver as a fresh daemon would. */
export function makeDriver(options: DriverOptions): VmDriver {
  const make = DRIVERS[options.name];
  if (!make) throw new Error(`no driver "${options.name}" in the suite's list`);
  return make(options);
}
