import { invariant } from '../../../src/base/errors.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { serveLab } from '../daemon-lab.ts';
import { until } from '../until.ts';
import { createOver } from './claim-steps.ts';

/** A daemon at `dir` that kills itself when it has three pool VMs; prints their ids just before. */
export async function dieWithPool(dir: string): Promise<void> {
  let world: VmWorld | undefined;
  await serveLab(dir, {
    canSave: true,
    hasStandby: true,
    pool: { most: 3, withinMs: { least: 600_000, most: 600_000 }, forgetMs: 600_000 },
    onWorld: (made) => {
      world = made;
    },
    // Not earlier: a daemon that starts removes the VMs that it finds half-made.
    onListening: () => void fillAndDie(world),
  });
}

async function fillAndDie(world: VmWorld | undefined): Promise<void> {
  invariant(world, 'a daemon that listens has a world');
  for (const name of ['first', 'second', 'third', 'fourth']) await createOver(world, name, undefined);
  await until(() => world.pool?.vmIds.length === 3, { what: 'three pool VMs' });
  process.stdout.write(`dies with ${world.pool?.vmIds.join()}\n`);
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => {});
}
