import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { qemuArgv } from './argv.ts';
import { launchArgv } from './confine.ts';

const HOST = {
  binary: '/usr/bin/qemu-system-x86_64',
  arch: 'amd64',
  machine: 'microvm',
  hostTools: '/b/banger-host',
} as const;
const drive = { format: 'qcow2', sizeBytes: 512 } as const;

const SPEC: VmSpec = {
  vmId: '0123456789ab',
  vcpuCount: 1,
  memoryMib: 256,
  accelerator: 'tcg',
  bootSource: {
    arch: 'amd64',
    kernelPath: '/k/vmlinuz',
    vmlinuxPath: '/k/vmlinux',
    initrdPath: '/k/initrd',
    bootArgs: [],
  },
  drives: [
    { ...drive, serial: 'root', pathOnHost: '/images/rootfs.ext4', isReadOnly: true },
    { ...drive, serial: 'work', pathOnHost: '/v/drives-1/work.qcow2', isReadOnly: false },
  ],
  network: { mode: 'none' },
  runtimeDir: '/run/x',
  consoleLogPath: '/v/console.log',
  vmmLogPath: '/v/vmm.log',
};

function valuesOf(argv: readonly string[], option: string): string[] {
  const own = argv.slice(0, argv.indexOf('--'));
  return own.flatMap((word, at) => (word === option ? [own[at + 1] ?? ''] : []));
}

test('a VMM may write only to the folders of its VM, and may read its image and kernel', () => {
  const argv = launchArgv(SPEC, HOST);
  assert.deepEqual(argv.slice(0, 2), ['/b/banger-host', 'confine']);
  assert.deepEqual(valuesOf(argv, '--write'), ['/run/x', '/v', '/v/drives-1']);
  const read = valuesOf(argv, '--read');
  for (const path of ['/k/vmlinux', '/k/initrd', '/images/rootfs.ext4']) assert.ok(read.includes(path), path);
  for (const path of ['/', '/etc', '/home', '/root', '/tmp', '/v', '/usr'])
    assert.ok(!read.includes(path), path);
  assert.deepEqual(valuesOf(argv, '--map'), []);
  assert.deepEqual(valuesOf(argv, '--exec'), []);
});

test('a VMM may only read the base of its work disk, which it may get later', () => {
  const argv = launchArgv({ ...SPEC, baseDir: '/bases/x' }, HOST);
  assert.ok(valuesOf(argv, '--read').includes('/bases/x'));
  assert.deepEqual(valuesOf(argv, '--write'), ['/run/x', '/v', '/v/drives-1']);
});

test('with a network it may do no more than without: its network is another process', () => {
  const network = { mode: 'user', exposedPorts: [80] } as const;
  assert.deepEqual(launchArgv({ ...SPEC, network }, HOST), launchArgv(SPEC, HOST));
});

test('it gets its sockets, and may create none', () => {
  const argv = launchArgv(SPEC, HOST);
  assert.deepEqual(valuesOf(argv, '--listen'), ['/run/x/qmp.sock', '/run/x/agent.sock']);
  assert.deepEqual(valuesOf(argv, '--socket'), []);
  const own = argv.slice(argv.indexOf('--') + 1);
  assert.deepEqual(own, qemuArgv(SPEC, HOST, { kind: 'boot' }, { sockets: true, console: true }));
  assert.ok(own.includes('socket,id=qmp,fd=3,server=on,wait=off'));
  assert.ok(own.includes('socket,id=agent,fd=4,server=on,wait=off'));
});

test('only a guest with KVM gets /dev/kvm, and only a restored guest gets the memory of a saved guest', () => {
  assert.ok(!valuesOf(launchArgv(SPEC, HOST), '--device').includes('/dev/kvm'));
  const restored = launchArgv({ ...SPEC, accelerator: 'kvm' }, HOST, {
    kind: 'restore',
    memoryPath: '/t/memory',
  });
  assert.ok(valuesOf(restored, '--device').includes('/dev/kvm'));
  assert.deepEqual(valuesOf(restored, '--map'), ['/t/memory']);
});

test('the log keeper writes bounded logs for it, unless it runs only for a moment', () => {
  const argv = launchArgv(SPEC, HOST);
  assert.deepEqual(valuesOf(argv, '--console'), ['/v/console.log']);
  assert.deepEqual(valuesOf(argv, '--log'), ['/v/vmm.log']);
  assert.ok(
    argv.join(' ').includes('-add-fd fd=5,set=1 -chardev file,id=console,path=/dev/fdset/1,append=on'),
  );
  const brief = launchArgv(SPEC, HOST, { kind: 'boot' }, { isBrief: true });
  assert.deepEqual(valuesOf(brief, '--console'), []);
  assert.ok(brief.join(' ').includes('-chardev file,id=console,path=/v/console.log,append=on'));
});

test('a stray is found by the same arguments before and after it has become QEMU', () => {
  const argv = launchArgv(SPEC, HOST);
  assert.equal(argv[argv.indexOf('-pidfile') + 1], '/run/x/qemu.pid');
});

test('without banger-host, QEMU starts unconfined', () => {
  const { hostTools: _missing, ...bare } = HOST;
  assert.deepEqual(launchArgv(SPEC, bare), qemuArgv(SPEC, bare));
});
