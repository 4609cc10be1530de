import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DriveSpec, VmSpec } from '../../../core/ports/vmm/spec.ts';
import { bootRequests, reasonAgainstKernel, replaceRequest, stateRequest } from './requests.ts';

const drive = (serial: DriveSpec['serial'], isReadOnly: boolean): DriveSpec => ({
  ...{ serial, pathOnHost: `/v/${serial}.raw`, format: 'raw', isReadOnly, sizeBytes: 4096 },
});

const SPEC: VmSpec = {
  vmId: '0123456789ab',
  vmName: 'web',
  vcpuCount: 2,
  memoryMib: 1024,
  accelerator: 'kvm',
  bootSource: {
    ...{ arch: 'amd64', kernelPath: '/k/vmlinuz', vmlinuxPath: '/k/vmlinux', initrdPath: '/k/initrd' },
    bootArgs: ['net.ifnames=0', 'banger.overlay_free=1073741824'],
  },
  drives: [drive('root', true), drive('overlay', false), drive('work', false), drive('modules', true)],
  network: { mode: 'none' },
  runtimeDir: '/run/v',
  consoleLogPath: '/v/console.log',
  vmmLogPath: '/v/vmm.log',
};

const COMMAND_LINE =
  'console=ttyS0 quiet panic=-1 reboot=k banger.end=restart random.trust_cpu=on cryptomgr.notests 8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.dumbkbd banger.agent=vsock banger.drives=root,overlay,work,modules net.ifnames=0 banger.overlay_free=1073741824';

test('a VM is configured in an order in which its drives keep theirs, and then started', () => {
  assert.deepEqual(bootRequests(SPEC), [
    {
      method: 'PUT',
      path: '/machine-config',
      body: { vcpu_count: 2, mem_size_mib: 1024, track_dirty_pages: false },
    },
    {
      method: 'PUT',
      path: '/boot-source',
      body: { kernel_image_path: '/k/vmlinux', initrd_path: '/k/initrd', boot_args: COMMAND_LINE },
    },
    ...SPEC.drives.map(({ serial, pathOnHost, isReadOnly }) => ({
      method: 'PUT',
      path: `/drives/${serial}`,
      body: {
        ...{ drive_id: serial, path_on_host: pathOnHost, is_root_device: false },
        ...{ is_read_only: isReadOnly, cache_type: 'Writeback' },
      },
    })),
    { method: 'PUT', path: '/entropy', body: {} },
    { method: 'PUT', path: '/vsock', body: { guest_cid: 3, uds_path: '/run/v/vsock.sock' } },
    { method: 'PUT', path: '/actions', body: { action_type: 'InstanceStart' } },
  ]);
});

test('without drives no order is named, and a long path of the vsock is relative to the working folder', () => {
  const runtimeDir = `/${'x'.repeat(120)}`;
  const requests = bootRequests({ ...SPEC, drives: [], runtimeDir });
  const bodyOf = (path: string): unknown => requests.find((request) => request.path === path)?.body;
  assert.doesNotMatch(JSON.stringify(bodyOf('/boot-source')), /banger\.drives/);
  assert.deepEqual(bodyOf('/vsock'), { guest_cid: 3, uds_path: '/proc/self/cwd/vsock.sock' });
});

test('a running VM is paused, resumed, and given another drive', () => {
  assert.deepEqual(stateRequest('Paused'), { method: 'PATCH', path: '/vm', body: { state: 'Paused' } });
  assert.deepEqual(replaceRequest(drive('work', false)), {
    method: 'PATCH',
    path: '/drives/work',
    body: { drive_id: 'work', path_on_host: '/v/work.raw' },
  });
});

const { vmlinuxPath: _, ...withoutElf } = SPEC.bootSource;
const [root = drive('root', true)] = SPEC.drives;

for (const [what, spec, reason] of [
  ['33 virtual CPUs', { ...SPEC, vcpuCount: 33 }, /gives a VM 1 to 32 virtual CPUs, and it has 33$/],
  ['a kernel without an ELF file', { ...SPEC, bootSource: withoutElf }, /boots only an ELF file/],
  ['a qcow2 drive', { ...SPEC, drives: [{ ...root, format: 'qcow2' }] }, /only raw drives, and "root"/],
  [
    'a drive over a base',
    { ...SPEC, drives: [{ ...root, base: { pathOnHost: '/b', sizeBytes: 4096 } }] },
    /only raw drives/,
  ],
] satisfies [string, VmSpec, RegExp][]) {
  test(`a VM with ${what} is refused before anything starts`, () => {
    assert.throws(() => bootRequests(spec), { code: 'VMM_START_FAILED', message: reason });
  });
}

test('the most virtual CPUs are accepted', () => {
  assert.equal(bootRequests({ ...SPEC, vcpuCount: 32 }).length, 9);
  assert.equal(reasonAgainstKernel(SPEC.bootSource), undefined);
});
