import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connectVsock } from '../../../src/adapters/guest/vsock.ts';
import {
  FirecrackerDriver,
  type FirecrackerDriverOptions,
} from '../../../src/adapters/vmm/firecracker/firecracker-driver.ts';
import type { HostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import type { DriveSpec, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import { buildFirecracker } from '../../support/fakes/build-firecracker.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { nullLog } from '../../support/null-log.ts';
import { until } from '../../support/until.ts';

// The requests that reach Firecracker, from behind the second wall. Its stand-in refuses what the published
// API does not have.

const MIB = 2 ** 20;
const limit = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(60_000) });

let dir: string;
let program: string;
let boot: VmSpec['bootSource'] & { vmlinuxPath: string };

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fci-'));
  program = await buildFirecracker(dir);
  const [vmlinuxPath, initrdPath] = [join(dir, 'vmlinux'), join(dir, 'initrd')];
  await writeFile(vmlinuxPath, '\x7fELF');
  await writeFile(initrdPath, 'initrd');
  boot = { arch: 'amd64', kernelPath: vmlinuxPath, vmlinuxPath, initrdPath, bootArgs: ['own=word'] };
});
after(() => rm(dir, { recursive: true, force: true }));

/** A host whose KVM looks usable. */
const FACTS: HostFacts = {
  arch: 'amd64',
  cpuInfo: async () => 'flags\t\t: fpu svm constant_tsc\n',
  bootId: async () => 'boot-1',
  kvmOpenError: async () => undefined,
  load: () => 0.1,
};

function driver(changes: Partial<FirecrackerDriverOptions> = {}): FirecrackerDriver {
  return new FirecrackerDriver({
    ...{ cacheDir: join(dir, 'cache'), facts: FACTS, env: process.env, program },
    ...{ hostTools: BUILT_HOST_TOOLS, log: nullLog, ...changes },
  });
}

let count = 0;

/** A VM with its drives, of which nothing runs. */
async function newVm(): Promise<VmSpec> {
  count += 1;
  const vmDir = join(dir, `v${count}`);
  const runtimeDir = join(vmDir, 'r');
  await mkdir(runtimeDir, { recursive: true, mode: 0o700 });
  const [rootfsPath, modulesPath] = [join(vmDir, 'rootfs'), join(vmDir, 'modules')];
  for (const path of [rootfsPath, modulesPath]) await writeFile(path, Buffer.alloc(MIB));
  const request = { dir: vmDir, rootfsPath, modulesPath, overlayBytes: 64 * MIB, diskSizeBytes: 32 * MIB };
  return {
    ...{ vmId: `00000000000${count}`, vmName: 'web', vcpuCount: 2, memoryMib: 256, accelerator: 'kvm' },
    ...{ bootSource: boot, drives: await driver().prepareDrives(request, limit()), runtimeDir },
    ...{ network: { mode: 'none' }, consoleLogPath: join(vmDir, 'console.log') },
    vmmLogPath: join(vmDir, 'vmm.log'),
  };
}

/** What has reached the stand-in. */
async function requests(spec: VmSpec): Promise<{ call: string; body: unknown }[]> {
  const lines = (await readFile(spec.vmmLogPath, 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const [method, path, ...body] = line.split(' ');
    return { call: `${method} ${path}`, body: body.join(' ') && JSON.parse(body.join(' ')) };
  });
}

test('a start behind the wall sends each request once and in order, with the console in its own log', async () => {
  const spec = await newVm();
  const vm = await driver().start(spec, limit());
  await until(async () => (await readFile(spec.consoleLogPath, 'utf8')).includes('own=word'));
  await until(async () => (await requests(spec)).some(({ call }) => call === 'PUT /actions'));
  const sent = await requests(spec);
  assert.deepEqual(
    sent.map(({ call }) => call),
    [
      ...['GET /', 'PUT /machine-config', 'PUT /boot-source', 'PUT /drives/root', 'PUT /drives/overlay'],
      ...['PUT /drives/work', 'PUT /drives/modules', 'PUT /entropy', 'PUT /vsock', 'PUT /actions'],
    ],
  );
  assert.deepEqual(sent[4]?.body, {
    ...{ drive_id: 'overlay', path_on_host: join(dir, `v${count}`, 'overlay.raw'), is_root_device: false },
    ...{ is_read_only: false, cache_type: 'Writeback' },
  });
  assert.match(await readFile(spec.consoleLogPath, 'utf8'), /^Command line: console=ttyS0 .* own=word\n/);
  assert.deepEqual(vm.guestEndpoint, {
    ...{ kind: 'vsock', path: join(spec.runtimeDir, 'vsock.sock'), port: 1024 },
  });
  const guest = connect(vm.guestEndpoint.path);
  assert.ok(await connectVsock(guest, { port: 1024, ...limit() }));
  guest.destroy();
  assert.ok(await vm.responds({ withinMs: 5_000, ...limit() }));
  await vm.kill();
  await vm.exited;
  assert.equal(vm.end, undefined);
  assert.equal(await vm.responds({ withinMs: 5_000, ...limit() }), false);
  assert.deepEqual(await readdir(spec.runtimeDir), []);
});

test('drives are copied while the guest is paused, and replaced while it runs', async () => {
  const spec = await newVm();
  const vm = await driver().start(spec, limit());
  const vmDir = join(dir, `v${count}`);
  const overlay = spec.drives.find(({ serial }) => serial === 'overlay') as DriveSpec;
  await writeFile(overlay.pathOnHost, 'written', { flag: 'r+' });
  let resumes = 0;
  vm.onResume(() => {
    resumes += 1;
  });
  const copy = { ...overlay, pathOnHost: join(vmDir, 'copy.raw') };
  await vm.copyDrives({ spec, drives: [copy] }, limit());
  assert.equal((await readFile(copy.pathOnHost)).toString('latin1', 0, 7), 'written');
  assert.deepEqual([resumes, vm.isPaused], [1, false]);
  await rm(copy.pathOnHost);
  await assert.rejects(
    vm.copyDrives({ spec, drives: [copy, { ...copy, pathOnHost: '/none/copy' }] }, limit()),
  );
  assert.deepEqual([resumes, vm.isPaused], [2, false]);
  await rm(join(vmDir, 'work.raw'));
  const other = { dir: vmDir, diskSizeBytes: 32 * MIB };
  const work = await driver().prepareWorkDisk(other, limit());
  await vm.replaceDrive(work, limit());
  await until(async () => (await requests(spec)).some(({ call }) => call === 'PATCH /drives/work'));
  const later = (await requests(spec)).slice(10);
  assert.deepEqual(
    later.map(({ call, body }) => [call, body]),
    [
      ...[1, 2].flatMap(() => [
        ['PATCH /vm', { state: 'Paused' }],
        ['PATCH /vm', { state: 'Resumed' }],
      ]),
      ['PATCH /drives/work', { drive_id: 'work', path_on_host: work.pathOnHost }],
    ],
  );
  await vm.kill();
});

test('a guest that its daemon left paused runs again when it is adopted', async () => {
  const spec = await newVm();
  const first = await driver().start(spec, limit());
  first.detach();
  const body = JSON.stringify({ state: 'Paused' });
  const socket = connect(join(spec.runtimeDir, 'api.sock'));
  socket.write(
    `PATCH /vm HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await until(async () => (await requests(spec)).some(({ call }) => call === 'PATCH /vm'));
  socket.destroy();
  const vm = await driver().adopt(spec, limit());
  assert.deepEqual(vm?.vmm, first.vmm);
  const resumed = JSON.stringify({ call: 'PATCH /vm', body: { state: 'Resumed' } });
  await until(async () => JSON.stringify((await requests(spec)).at(-1)) === resumed);
  await vm?.kill();
});

test('a signal ends a VM in order, and what VMs cannot do is refused with the reason', async () => {
  const spec = await newVm();
  const vm = await driver().start(spec, limit());
  const user = { mode: 'user', exposedPorts: [] } as const;
  await assert.rejects(vm.setNetwork(user, limit()), { code: 'VMM_LACKS', message: /have no network$/ });
  const to = { memoryPath: join(dir, 'm'), statePath: join(dir, 's') };
  await assert.rejects(vm.save({ spec, to }, limit()), { code: 'VMM_LACKS' });
  await vm.signal('SIGTERM');
  await vm.exited;
  assert.equal(vm.end, 'signal');
  await vm.kill();
  await assert.rejects(driver().start({ ...spec, network: user }, limit()), { code: 'VMM_LACKS' });
  assert.deepEqual(await readdir(spec.runtimeDir), []);
});

for (const refused of ['PUT /machine-config', 'PUT /drives/work', 'PUT /vsock', 'PUT /actions']) {
  test(`a start in which ${refused} is refused fails with the answer, and leaves nothing`, async () => {
    const spec = await newVm();
    await writeFile(`${program}.faults`, refused);
    // The wall would hide what the stand-in is told.
    await assert.rejects(driver({ hostTools: '/none' }).start(spec, limit()), {
      code: 'VMM_START_FAILED',
      message: `Cannot start vm "web": Firecracker refuses ${refused}: told to refuse ${refused}`,
    });
    await writeFile(`${program}.faults`, '');
    assert.deepEqual(await readdir(spec.runtimeDir), []);
  });
}

test('a kernel that is none is refused with what Firecracker says', async () => {
  const spec = await newVm();
  const none = join(dir, 'none');
  await writeFile(none, 'no kernel');
  const started = driver().start({ ...spec, bootSource: { ...boot, vmlinuxPath: none } }, limit());
  await assert.rejects(started, { code: 'VMM_START_FAILED', message: /Invalid Elf magic number/ });
});

test('KVM counts as usable only after a test boot, whose result is remembered', async () => {
  const cacheDir = join(dir, 'kvm-cache');
  const found = await driver({ cacheDir }).probe(boot, limit());
  assert.deepEqual(found, {
    ...{ isUsable: true, accelerator: 'kvm', version: 'Firecracker 1.13.1', testedVersion: '1.17' },
  });
  const cannotBoot = { ...boot, vmlinuxPath: join(dir, 'initrd') };
  assert.equal((await driver({ cacheDir }).probe(cannotBoot, limit())).isUsable, true, 'remembered');
  const failed = await driver({ cacheDir: join(dir, 'kvm-2') }).probe(cannotBoot, limit());
  assert.equal(failed.isUsable, false);
  assert.match(failed.reason ?? '', /Firecracker ended in the middle of a test boot/);
  assert.deepEqual(await readdir(join(cacheDir, 'kvm', 'test-boot')).catch(() => []), []);
});

for (const [what, changes, withBoot, reason] of [
  ['an arm64 host', { facts: { ...FACTS, arch: 'arm64' } }, false, /only for amd64/],
  [
    'no /dev/kvm',
    { facts: { ...FACTS, kvmOpenError: async () => 'ENOENT' } },
    false,
    /needs KVM: .*\/dev\/kvm is missing/,
  ],
  [
    'a processor without KVM',
    { facts: { ...FACTS, cpuInfo: async () => 'flags : fpu\n' } },
    false,
    /no vmx or svm/,
  ],
  ['KVM switched off', { accelerator: 'tcg' }, true, /switched off/],
  ['no program', { program: '/none' }, false, /"\/none", which firecracker_bin names, is not a program/],
] satisfies [string, Partial<FirecrackerDriverOptions>, boolean, RegExp][]) {
  test(`a host with ${what} cannot use it, and is told why`, async () => {
    const probe = await driver(changes).probe(withBoot ? boot : undefined, limit());
    assert.equal(probe.isUsable, false);
    assert.match(probe.reason ?? '', reason);
  });
}

test('a kernel without an ELF file cannot be used, and no kernel leaves KVM untested', async () => {
  const { vmlinuxPath: _, ...without } = boot;
  const found = await driver().probe(without, limit());
  assert.deepEqual(
    [found.isUsable, found.hint],
    [false, 'use a kernel of a distribution: banger kernel pull'],
  );
  const early = await driver().probe(undefined, limit());
  assert.deepEqual([early.isUsable, early.accelerator], [true, undefined]);
});
