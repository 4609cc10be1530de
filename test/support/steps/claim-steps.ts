import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { neverAborts } from '../../../src/base/abort.ts';
import { invariant } from '../../../src/base/errors.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import { createVm } from '../../../src/core/vms/lifecycle/create-vm.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { serveLab } from '../daemon-lab.ts';
import { until } from '../until.ts';

/** The steps in which a pool VM becomes a VM whose work disk has a base. */
export const CLAIM_STEPS = ['add the base', 'make the disk', 'replace the disk', 'personalise'] as const;
type Step = (typeof CLAIM_STEPS)[number];

/** A moment of a claim. */
export interface Moment {
  step: Step;
  when: 'before' | 'after';
}

/** Calls `act` at one moment of the next claim of a pool VM. */
export function actDuringClaim(world: VmWorld, { step, when }: Moment, act: () => Promise<void>): void {
  let isDone = false;
  const around = <A extends unknown[], R>(name: Step, work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      const isNow = name === step && !isDone;
      if (isNow) isDone = true;
      if (isNow && when === 'before') await act();
      const result = await work(...args);
      if (isNow && when === 'after') await act();
      return result;
    };
  };
  const {
    drivers: [driver],
    pool,
  } = world;
  invariant(pool, 'the lab keeps a pool VM');
  world.drivers = [
    {
      ...driver,
      addBase: around('add the base', driver.addBase),
      prepareWorkDisk: around('make the disk', driver.prepareWorkDisk),
    },
  ];
  const take = pool.take.bind(pool);
  pool.take = async (key, options) => {
    const vm = await take(key, options);
    if (!vm) return undefined;
    const { running, agent } = vm;
    running.replaceDrive = around('replace the disk', running.replaceDrive);
    const personalise = around('personalise', agent.personalise.bind(agent));
    const watched = new Proxy(agent, {
      get(target, name) {
        if (name === 'personalise') return personalise;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { ...vm, agent: watched };
  };
}

/** A file that may be the base of a work disk, in `dir`. */
export async function someBase(dir: string, text: string): Promise<string> {
  const file = join(dir, `${text}.ext4`);
  await writeFile(file, Buffer.alloc(64 * 4096, text));
  return file;
}

/** Makes a VM whose work disk has a base. */
export function createOver(world: VmWorld, name: string, file: string | undefined): Promise<VmRecord> {
  const task = { signal: neverAborts(), report: () => {} };
  return createVm(world, { name }, file === undefined ? task : { ...task, workDiskBase: { file } });
}

/** Waits until there is a pool VM. */
export async function poolIsReady(world: VmWorld): Promise<string> {
  await until(() => world.pool?.vmIds[0] !== undefined, { what: 'a pool VM' });
  const vmId = world.pool?.vmIds[0];
  invariant(vmId, 'there is a pool VM');
  return vmId;
}

/** A daemon at `dir` that kills itself at a moment of a claim; prints the id of the VM just before. */
export async function dieDuringClaim(dir: string, moment: Moment): Promise<void> {
  let world: VmWorld | undefined;
  await serveLab(dir, {
    canSave: true,
    hasStandby: true,
    onWorld: (made) => {
      world = made;
    },
    // Not earlier: a daemon that starts removes the VMs that it finds half-made.
    onListening: () => void claimAndDie(world, dir, moment),
  });
}

async function claimAndDie(world: VmWorld | undefined, dir: string, moment: Moment): Promise<void> {
  invariant(world, 'a daemon that listens has a world');
  const base = await someBase(dir, 'base');
  await createOver(world, 'first', undefined);
  const vmId = await poolIsReady(world);
  actDuringClaim(world, moment, async () => {
    process.stdout.write(`dies with ${vmId}\n`);
    process.kill(process.pid, 'SIGKILL');
    await new Promise(() => {});
  });
  await createOver(world, 'claimed', base);
  process.stdout.write('claimed\n');
}
