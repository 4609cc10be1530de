import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { FirecrackerDriver } from '../../../src/adapters/vmm/firecracker/firecracker-driver.ts';
import { linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { buildFirecracker } from '../../support/fakes/build-firecracker.ts';
import { agentProgram } from '../../support/host-tools.ts';
import { IdleClock } from '../../support/idle-clock.ts';
import { nullLog } from '../../support/null-log.ts';
import { until } from '../../support/until.ts';

// A daemon with two VMMs. The second is Firecracker, whose stand-in plays guests with the real agent.

const signal = neverAborts();
const clock = new IdleClock();
let lab: DaemonLab;
let daemon: LabDaemon;
let program: string;
let vmlinuxPath: string;

before(async () => {
  lab = await openDaemonLab();
  const [bin, guestRoot] = [join(lab.dir, 'bin'), join(lab.dir, 'guest')];
  for (const folder of [bin, guestRoot]) await mkdir(folder);
  const agent = [agentProgram(), 'serve', '-init', 'agent', '-socket', 'SOCKET', '-root', guestRoot];
  program = await buildFirecracker(bin, { guestArgv: agent });
  vmlinuxPath = join(bin, 'vmlinux');
  await writeFile(vmlinuxPath, '\x7fELF');
  const { configFile } = lab.settings.paths;
  await mkdir(dirname(configFile), { recursive: true });
  await writeFile(configFile, 'auto_suspend_after = "1h"\nstats_poll_interval = "0"\n');
  daemon = await start();
});

after(async () => {
  for (const { name } of await lab.client.listVms({ signal })) {
    await resultOf(lab.client.deleteVm(name, { signal }));
  }
  await lab[Symbol.asyncDispose]();
});

function start(): Promise<LabDaemon> {
  return lab.start({ canSave: true, idleClock: clock, onWorld: addFirecracker });
}

/** The second VMM of the daemon, and the kernel file that it needs. */
function addFirecracker(world: VmWorld): void {
  const driver = new FirecrackerDriver({
    ...{ cacheDir: join(lab.dir, 'fc'), facts: linuxHostFacts(), env: process.env, program },
    // Behind the wall the stand-in could not start a program as its guest.
    ...{ accelerator: 'kvm', hostTools: '/none', log: nullLog },
  });
  const { kernels } = world;
  Object.assign(world, {
    drivers: [...world.drivers, driver],
    kernels: {
      ...kernels,
      get: async (...args: Parameters<typeof kernels.get>) => ({
        ...(await kernels.get(...args)),
        vmlinuxPath,
      }),
    },
  });
}

async function create(name: string, vmm?: 'firecracker'): Promise<void> {
  await resultOf(lab.client.createVm({ name, ...(vmm ? { vmm } : {}) }, { signal }));
}

test('a VM that asks for it runs on Firecracker, also for the next daemon, until it is stopped', async () => {
  await create('fc', 'firecracker');
  await create('other');
  const vm = await lab.client.showVm('fc', { signal });
  assert.deepEqual([vm.state, vm.vmm, vm.runtime?.accelerator], ['running', 'firecracker', 'kvm']);
  assert.equal((await lab.client.showVm('other', { signal })).vmm, 'fake');
  const { pid } = vm.runtime ?? {};
  await daemon[Symbol.asyncDispose]();
  daemon = await start();
  const adopted = await lab.client.showVm('fc', { signal });
  assert.deepEqual([adopted.state, adopted.runtime?.pid], ['running', pid]);
  assert.ok(await lab.client.startJob('fc', shell('true'), { signal }));
  await resultOf(lab.client.stopVm('fc', { signal }));
  assert.equal((await lab.client.showVm('fc', { signal })).state, 'stopped');
  await resultOf(lab.client.startVm('fc', { signal }));
  assert.equal((await lab.client.showVm('fc', { signal })).vmm, 'firecracker');
  await resultOf(lab.client.killVm('fc', {}, { signal }));
  assert.equal((await lab.client.showVm('fc', { signal })).state, 'stopped');
});

test('what a VM on Firecracker cannot do is refused with the reason and a way out', async () => {
  await create('lacks', 'firecracker');
  const refused = { code: 'VMM_LACKS', hint: 'make a VM that can: banger vm create --vmm fake' };
  await assert.rejects(resultOf(lab.client.suspendVm('lacks', { signal })), {
    ...refused,
    message: /^Cannot suspend vm "lacks": banger does not save guests of Firecracker$/,
  });
  await assert.rejects(resultOf(lab.client.forkVm('lacks', { names: ['one'] }, { signal })), refused);
  await assert.rejects(resultOf(lab.client.createSnapshot('lacks', { tag: 'one' }, { signal })), refused);
  const nat = { name: 'nat', vmm: 'firecracker', nat: true } as const;
  await assert.rejects(resultOf(lab.client.createVm(nat, { signal })), refused);
  assert.equal((await lab.client.showVm('lacks', { signal })).state, 'running');
});

test('an unused VM whose VMM cannot save it is left running', async () => {
  await create('idle', 'firecracker');
  await create('idle-too');
  await clock.hasLooked();
  clock.advance(61 * 60_000);
  await until(async () => (await lab.client.showVm('idle-too', { signal })).state === 'suspended');
  await clock.hasLooked();
  assert.equal((await lab.client.showVm('idle', { signal })).state, 'running');
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error'),
    [],
  );
});
