import assert from 'node:assert/strict';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import type { CreateVmRequest } from '../../../src/protocol/api/vm-requests.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import type { StepAction } from './step-daemon.ts';
import type { StepLab } from './step-lab.ts';

/** An operation to interrupt, with its preparation and its checks. */
export interface Scenario {
  name: string;
  /** the lab keeps a pool VM */
  hasStandby?: boolean;
  /** Prepares the lab for the operation, whatever happened before. */
  prepare(world: ScenarioWorld): Promise<void>;
  run(world: ScenarioWorld): Promise<unknown>;
  /** Checks that what an interruption left is whole, and that the rest is gone. */
  check(world: ScenarioWorld, by: StepAction['kind']): Promise<void>;
  /** for the action `vmm`: the folders whose VMMs are killed, by their purpose */
  victims(world: ScenarioWorld): Readonly<Record<string, string>>;
}

/** What scenarios need of a lab. */
export interface ScenarioWorld {
  lab: StepLab;
  /** shape of the VMs */
  shape: Omit<CreateVmRequest, 'ephemeral'>;
  /** Leaves a mark in the memory and on the disk of the VM `src`, which has just been made. */
  mark(): Promise<void>;
  /**
   * Fails unless `src` still has its mark on the disk and in memory. With `isBooted` it has booted since, so
   * only the disk has the mark.
   */
  checkMarks(options: { isBooted: boolean }): Promise<void>;
  /** Runs a script in a guest; returns its output. */
  sh(vm: string, script: string): Promise<string>;
  /** a repository of the host, which is made when it is first needed */
  repo: string;
  /** where a scenario copies it to in `src` */
  guestPath: string;
  /** a guest mounts its work disk, and finds the working tree there */
  hasDisk: boolean;
  /** `ms` for cleanup to finish, and for a pool VM that is being made to be ready */
  settleMs: number;
  /** error codes that tell a user clearly that the disk is full */
  fullCodes: readonly string[];
}

const signal = neverAborts();
/** the VM that exists before an operation, and the one that it makes */
export const SOURCE = 'src';
export const NEW = 'new';
const TAG = 'tag';
const BASE = 'base';
/** `ms` to make a pool VM on a busy host. */
const STANDBY_MS = 1_500;
export const STANDBY_DEADLINE_MS = 55_000;

/** Every operation that makes or uses saved guests. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'template making',
    async prepare(world) {
      await deleteVm(world, NEW);
      await world.lab.client.pruneTemplates({ all: true }, { signal });
    },
    run: create,
    check: checkNew,
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'claim',
    async prepare(world) {
      await deleteVm(world, NEW);
      if ((await world.lab.client.listTemplates({ signal })).length > 0) return;
      await create(world);
      await deleteVm(world, NEW);
    },
    run: create,
    check: checkNew,
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'claim of a VM on standby, and making the next',
    hasStandby: true,
    async prepare(world) {
      await deleteVm(world, NEW);
      // A daemon makes none before a VM starts.
      if (await standbyWithin(world, 0)) return;
      await create(world);
      assert.ok(await standbyWithin(world, STANDBY_DEADLINE_MS), 'there is a pool VM');
      await deleteVm(world, NEW);
    },
    async run(world) {
      await create(world);
      await standbyWithin(world, STANDBY_MS);
    },
    check: checkNew,
    victims: () => ({ 'their VMMs': '.' }),
  },
  {
    name: 'suspend',
    prepare: requireSource,
    run: ({ lab }) => resultOf(lab.client.suspendVm(SOURCE, { signal })),
    async check(world, by) {
      const { state } = sourceOf(world);
      if (by === 'vmm' && state === 'stopped') return await checkStopped(world);
      if (state === 'suspended') await resume(world);
      else assert.equal(state, 'running');
      await world.checkMarks({ isBooted: false });
    },
    victims: (world) => ({ 'the VMM': `/${sourceOf(world).id}/[^/]+$` }),
  },
  {
    name: 'resume',
    async prepare(world) {
      await requireSource(world);
      if (sourceOf(world).state === 'running') await resultOf(world.lab.client.suspendVm(SOURCE, { signal }));
    },
    run: resume,
    async check(world, by) {
      const { state } = sourceOf(world);
      if (by !== 'daemon' && state === 'stopped') return await checkStopped(world);
      if (state === 'suspended') await resume(world);
      else assert.equal(state, 'running');
      await world.checkMarks({ isBooted: false });
    },
    victims: () => ({ 'the VMM': '.' }),
  },
  {
    name: 'fork',
    async prepare(world) {
      for (const name of ['src-1', 'src-2']) await deleteVm(world, name);
      await requireSource(world);
    },
    run: ({ lab }) => resultOf(lab.client.forkVm(SOURCE, { count: 2 }, { signal })),
    async check(world, by) {
      const forks = world.lab.records().filter(({ name }) => name.startsWith('src-'));
      const states = forks.map(({ state }) => state).join();
      // A fork whose VMM is killed after its start is a stopped VM.
      const whole = by === 'vmm' ? /^((running|stopped),?){2}$/ : /^running,running$/;
      assert.ok(states === '' || whole.test(states), `the forks: ${states}`);
      if (by === 'vmm' && sourceOf(world).state === 'stopped') return await checkStopped(world);
      await checkUntouched(world);
    },
    victims: (world) => ({
      'the source': `/${sourceOf(world).id}/[^/]+$`,
      'a fork': `/(?!${sourceOf(world).id})[0-9a-f]+/[^/]+$`,
    }),
  },
  {
    name: 'snapshot create',
    async prepare(world) {
      await requireSource(world);
      await deleteSnapshot(world, TAG);
    },
    run: ({ lab }) => resultOf(lab.client.createSnapshot(SOURCE, { tag: TAG }, { signal })),
    async check(world, by) {
      if (by === 'vmm' && sourceOf(world).state === 'stopped') return await checkStopped(world);
      await checkUntouched(world);
    },
    victims: (world) => ({ 'the source': `/${sourceOf(world).id}/[^/]+$` }),
  },
  {
    name: 'snapshot restore',
    async prepare(world) {
      await requireSource(world);
      await deleteSnapshot(world, TAG);
      await requireBase(world);
    },
    run: restore,
    async check(world, by) {
      if (by === 'vmm' && sourceOf(world).state === 'stopped') return await checkStopped(world);
      await checkUntouched(world);
    },
    victims: () => ({ 'its VMMs': '.' }),
  },
  {
    name: 'snapshot restore of a suspended VM',
    async prepare(world) {
      await requireSource(world);
      await requireBase(world);
      if (sourceOf(world).state === 'running') await resultOf(world.lab.client.suspendVm(SOURCE, { signal }));
    },
    run: restore,
    async check(world, by) {
      const { state } = sourceOf(world);
      if (by === 'vmm' && state === 'stopped') return await checkStopped(world);
      if (state === 'suspended') await resume(world);
      else assert.equal(state, 'running');
      await world.checkMarks({ isBooted: false });
    },
    victims: () => ({ 'its VMM': '.' }),
  },
  {
    name: 'snapshot restore of a stopped VM, cold',
    async prepare(world) {
      await requireSource(world);
      await requireBase(world);
      if (sourceOf(world).state === 'running') await resultOf(world.lab.client.stopVm(SOURCE, { signal }));
    },
    run: ({ lab }) => resultOf(lab.client.restoreSnapshot(SOURCE, BASE, { cold: true, signal })),
    async check(world) {
      const { state } = sourceOf(world);
      if (state === 'stopped') await resultOf(world.lab.client.startVm(SOURCE, { signal }));
      else assert.equal(state, 'running');
      await world.checkMarks({ isBooted: true });
      await deleteVm(world, SOURCE);
    },
    victims: () => ({ 'its VMM': '.' }),
  },
];

/** Waits until there is a pool VM; returns false when none appears. */
export async function standbyWithin({ lab }: ScenarioWorld, deadlineMs: number): Promise<boolean> {
  const look = async (): Promise<string | undefined> =>
    (await lab.client.daemonStatus({ signal })).standbyVmId;
  try {
    await poll(look, { everyMs: 20, deadlineMs, what: 'a VM on standby', signal });
    return true;
  } catch (error) {
    if (isAppError(error, 'WAIT_TIMEOUT')) return false;
    throw error;
  }
}

function create({ lab, shape }: ScenarioWorld): Promise<unknown> {
  return resultOf(lab.client.createVm({ name: NEW, ...shape }, { signal }));
}

function resume({ lab }: ScenarioWorld): Promise<unknown> {
  return resultOf(lab.client.startVm(SOURCE, { onlyResume: true, signal }));
}

function restore({ lab }: ScenarioWorld): Promise<unknown> {
  return resultOf(lab.client.restoreSnapshot(SOURCE, BASE, { signal }));
}

/** Checks the VM `new`, if it was made, and `src`, if it exists. */
export async function checkNew(world: ScenarioWorld, by: StepAction['kind']): Promise<void> {
  const { lab } = world;
  const made = lab.records().find(({ name }) => name === NEW);
  if (made && !(by === 'vmm' && made.state === 'stopped')) assert.equal(made.state, 'running');
  if (sourceIfThere(world)) await checkUntouched(world);
}

/** Checks that the source VM still runs as before. */
async function checkUntouched(world: ScenarioWorld): Promise<void> {
  assert.equal(sourceOf(world).state, 'running');
  await world.checkMarks({ isBooted: false });
}

/** Checks a VM whose VMM the test killed: its disk is as after a power cut, and it boots. */
async function checkStopped(world: ScenarioWorld): Promise<void> {
  await resultOf(world.lab.client.startVm(SOURCE, { signal }));
  await world.checkMarks({ isBooted: true });
  await deleteVm(world, SOURCE);
}

/** Makes the VM `src`, or resumes it. */
export async function requireSource(world: ScenarioWorld): Promise<void> {
  await deleteVm(world, NEW);
  const source = sourceIfThere(world);
  if (source?.state === 'suspended') await resume(world);
  if (source && ['suspended', 'running'].includes(source.state)) return;
  if (source) await deleteVm(world, SOURCE);
  await resultOf(world.lab.client.createVm({ name: SOURCE, ...world.shape }, { signal }));
  await world.mark();
}

/** The snapshot to which the VM is restored. */
async function requireBase({ lab }: ScenarioWorld): Promise<void> {
  const snapshots = await lab.client.listSnapshots(SOURCE, { signal });
  if (snapshots.some(({ tag }) => tag === BASE)) return;
  await resultOf(lab.client.createSnapshot(SOURCE, { tag: BASE }, { signal }));
}

function sourceOf(world: ScenarioWorld): VmRecord {
  const source = sourceIfThere(world);
  assert.ok(source, 'the source VM exists');
  return source;
}

function sourceIfThere({ lab }: ScenarioWorld): VmRecord | undefined {
  return lab.records().find(({ name }) => name === SOURCE);
}

/** Deletes a VM, if it exists. */
export async function deleteVm({ lab }: ScenarioWorld, name: string): Promise<void> {
  if (!lab.records().some((record) => record.name === name)) return;
  await resultOf(lab.client.deleteVm(name, { signal }));
}

async function deleteSnapshot({ lab }: ScenarioWorld, tag: string): Promise<void> {
  const snapshots = await lab.client.listSnapshots(SOURCE, { signal });
  if (snapshots.some((one) => one.tag === tag)) await lab.client.deleteSnapshot(SOURCE, tag, { signal });
}
