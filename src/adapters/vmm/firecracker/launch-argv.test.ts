import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DriveSpec, VmSpec } from '../../../core/ports/vmm/spec.ts';
import { valuesOf } from '../vmm-process.ts';
import { launchArgv } from './launch-argv.ts';

const drive = (serial: DriveSpec['serial'], pathOnHost: string, isReadOnly: boolean): DriveSpec => ({
  ...{ serial, pathOnHost, format: 'raw', isReadOnly, sizeBytes: 4096 },
});

const SPEC: VmSpec = {
  ...{ vmId: '0123456789ab', vcpuCount: 1, memoryMib: 256, accelerator: 'kvm' },
  bootSource: {
    ...{ arch: 'amd64', kernelPath: '/k/vmlinuz', vmlinuxPath: '/k/vmlinux', initrdPath: '/k/initrd' },
    bootArgs: [],
  },
  drives: [drive('root', '/images/rootfs.ext4', true), drive('overlay', '/v/overlay.raw', false)],
  ...{ network: { mode: 'none' }, runtimeDir: '/run/v' },
  ...{ consoleLogPath: '/v/console.log', vmmLogPath: '/v/vmm.log' },
};

test('without the wall it logs to its stdout', () => {
  assert.deepEqual(launchArgv(SPEC, { binary: '/fc' }), [
    ...['/fc', '--id', 'banger-0123456789ab', '--api-sock', '/run/v/api.sock', '--level', 'Info'],
  ]);
});

test('behind the wall it reaches the files of its VM, KVM, and no others, and both logs are bounded', () => {
  const argv = launchArgv(SPEC, { binary: '/fc', hostTools: '/host' });
  const end = argv.indexOf('--');
  const wall = argv.slice(0, end);
  assert.deepEqual(wall.slice(0, 2), ['/host', 'confine']);
  const own = valuesOf(wall, '--read').filter((path) => /^\/(k|images|v|run)\//.test(path));
  assert.deepEqual(own, ['/k/vmlinux', '/k/initrd', '/images/rootfs.ext4']);
  assert.deepEqual(valuesOf(wall, '--serve'), ['/run/v']);
  assert.deepEqual(valuesOf(wall, '--write'), ['/v']);
  assert.ok(valuesOf(wall, '--device').includes('/dev/kvm'));
  assert.deepEqual(valuesOf(wall, '--socket'), []);
  assert.deepEqual(
    [valuesOf(wall, '--console'), valuesOf(wall, '--log')],
    [['/v/vmm.log'], ['/v/console.log']],
  );
  assert.deepEqual(argv.slice(end + 1), [
    ...launchArgv(SPEC, { binary: '/fc' }),
    ...['--log-path', '/proc/self/fd/3'],
  ]);
});
