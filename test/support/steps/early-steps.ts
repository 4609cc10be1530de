import { invariant } from '../../../src/base/errors.ts';
import { claimEarly } from '../../../src/core/vms/pool/early-claim.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { serveLab } from '../daemon-lab.ts';
import { createOver, poolIsReady, someBase } from './claim-steps.ts';

/**
 * A daemon at `dir` that kills itself when a pool VM that was set aside has got the work disk over a base;
 * prints the id of the VM just before.
 */
export async function dieWithEarlyClaim(dir: string): Promise<void> {
  let world: VmWorld | undefined;
  await serveLab(dir, {
    canSave: true,
    hasStandby: true,
    onWorld: (made) => {
      world = made;
    },
    // Not earlier: a daemon that starts removes the VMs that it finds half-made.
    onListening: () => void claimAndDie(world, dir),
  });
}

async function claimAndDie(world: VmWorld | undefined, dir: string): Promise<void> {
  invariant(world, 'a daemon that listens has a world');
  const file = await someBase(dir, 'base');
  const { imageName, shape } = await createOver(world, 'first', undefined);
  const vmId = await poolIsReady(world);
  const early = claimEarly(world, { imageName, diskSizeBytes: shape.diskSizeBytes });
  invariant(early, 'a pool VM fits');
  const isReplaced = oldDiskRemoved(world);
  early.prepare({ file, diskSizeBytes: shape.diskSizeBytes });
  await isReplaced;
  process.stdout.write(`dies with ${vmId}\n`);
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
}

/** Resolves once the old work disk of a VM has been removed. */
function oldDiskRemoved(world: VmWorld): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const [driver] = world.drivers;
  world.drivers = [
    {
      ...driver,
      removeDrives: async (drives) => {
        await driver.removeDrives(drives);
        resolve();
      },
    },
  ];
  return promise;
}
