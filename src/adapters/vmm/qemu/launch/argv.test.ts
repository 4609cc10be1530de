import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import type { QemuHost } from '../qemu-host.ts';
import { qemuArgv } from './argv.ts';

const HOST: QemuHost = {
  binary: '/usr/bin/qemu-system-x86_64',
  arch: 'amd64',
  machine: 'microvm',
  tscKhz: 2_000_000,
};

const SPEC: VmSpec = {
  vmId: '0123456789ab',
  vcpuCount: 2,
  memoryMib: 1024,
  accelerator: 'tcg',
  bootSource: {
    arch: 'amd64',
    kernelPath: '/k/vmlinuz',
    vmlinuxPath: '/k/vmlinux',
    initrdPath: '/k/initrd',
    bootArgs: ['a=b'],
  },
  drives: [
    { serial: 'root', pathOnHost: '/i/rootfs.ext4', format: 'raw', isReadOnly: true, sizeBytes: 512 },
    { serial: 'work', pathOnHost: '/v/work.qcow2', format: 'qcow2', isReadOnly: false, sizeBytes: 512 },
  ],
  network: { mode: 'none' },
  runtimeDir: '/run/x',
  consoleLogPath: '/v/console.log',
  vmmLogPath: '/v/vmm.log',
};

test('the whole command line of an emulated amd64 VM', () => {
  assert.deepEqual(qemuArgv(SPEC, HOST), [
    '/usr/bin/qemu-system-x86_64',
    ...['-name', 'guest=banger-0123456789ab,debug-threads=on'],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-msg', 'timestamp=on'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-pidfile', '/run/x/qemu.pid'],
    ...[
      '-chardev',
      'socket,id=qmp,path=/run/x/qmp.sock,server=on,wait=off',
      '-mon',
      'chardev=qmp,mode=control',
    ],
    ...['-machine', 'microvm,rtc=on,dump-guest-core=off,memory-backend=memory'],
    ...['-accel', 'tcg,thread=multi,tb-size=64', '-cpu', 'max,la57=off,erms=off'],
    ...['-smp', 'cpus=2,sockets=1,cores=2,threads=1', '-m', 'size=1024M'],
    ...['-global', 'virtio-mmio.force-legacy=false'],
    ...['-object', 'memory-backend-ram,id=memory,size=1024M,dump=off'],
    ...['-kernel', '/k/vmlinux', '-initrd', '/k/initrd'],
    '-append',
    'console=ttyS0 quiet panic=-1 random.trust_cpu=on cryptomgr.notests loglevel=3 reboot=t 8250.nr_uarts=1 mitigations=off cpuidle.off=1 init_on_alloc=0 cgroup.memory=nokmem,nosocket thash_entries=1024 banger.timer_hz=62500000 tsc_early_khz=2000000 tsc=reliable a=b',
    ...['-chardev', 'file,id=console,path=/v/console.log,append=on', '-serial', 'chardev:console'],
    ...['-device', 'virtio-serial-device,id=serial0,max_ports=2'],
    ...['-chardev', 'socket,id=agent,path=/run/x/agent.sock,server=on,wait=off'],
    ...['-device', 'virtserialport,id=agent,bus=serial0.0,nr=1,chardev=agent,name=banger.agent.0'],
    ...['-device', 'virtio-rng-device'],
    ...['-object', 'throttle-group,id=unlimited'],
    '-blockdev',
    '{"node-name":"root","driver":"raw","file":{"node-name":"root-file","driver":"file","filename":"/i/rootfs.ext4","read-only":true},"read-only":true}',
    ...['-device', '{"driver":"virtio-blk-device","id":"drive-root","drive":"root","serial":"root"}'],
    '-blockdev',
    '{"node-name":"work","driver":"throttle","throttle-group":"unlimited","file":{"node-name":"work-format","driver":"qcow2","file":{"node-name":"work-file","driver":"file","filename":"/v/work.qcow2","read-only":false,"discard":"unmap"},"backing":null,"read-only":false,"discard":"unmap","detect-zeroes":"unmap"},"discard":"unmap","detect-zeroes":"unmap"}',
    ...['-device', '{"driver":"virtio-blk-device","id":"drive-work","drive":"work","serial":"work"}'],
    ...['-netdev', 'hubport,id=nic,hubid=0', '-netdev', 'hubport,id=sink,hubid=0'],
    ...['-device', 'virtio-net-device,id=net0,netdev=nic,mac=52:54:00:12:34:56'],
  ]);
});

test('a network does not change the command line: it is connected when QEMU runs', () => {
  const network = { mode: 'user', exposedPorts: [80] } as const;
  assert.deepEqual(qemuArgv({ ...SPEC, network }, HOST), qemuArgv(SPEC, HOST));
});

test('a guest that was captured with the built-in network gets that while it is read, and it reaches nothing', () => {
  const mode = { kind: 'restore', memoryPath: '/m' } as const;
  const argv = qemuArgv(SPEC, HOST, { ...mode, hasBuiltInNetwork: true });
  const added = argv.slice(qemuArgv(SPEC, HOST, mode).length);
  assert.deepEqual(added, [
    '-netdev',
    'user,id=nat,net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3,ipv6-prefix=fec0::,ipv6-prefixlen=64,ipv6-host=fec0::2,ipv6-dns=fec0::3,restrict=on',
    '-netdev',
    'hubport,id=nat-port,hubid=0,netdev=nat',
  ]);
});

test('the base of a drive is below it, read-only; a drive without one has nothing below it', () => {
  const base = { pathOnHost: '/b/work.ext4', sizeBytes: 512 };
  const drives = SPEC.drives.map((drive) => (drive.serial === 'work' ? { ...drive, base } : drive));
  const argv = qemuArgv({ ...SPEC, drives }, HOST);
  const nodes = argv.filter((_, at) => argv[at - 1] === '-blockdev').map((text) => JSON.parse(text));
  assert.deepEqual(nodes[1].file.backing, {
    'node-name': 'work-base',
    driver: 'raw',
    'read-only': true,
    file: { 'node-name': 'work-base-file', driver: 'file', filename: '/b/work.ext4', 'read-only': true },
  });
});

/** Values of an option that may be given once. */
function optionOf(argv: readonly string[], option: string): string | undefined {
  return argv[argv.indexOf(option) + 1];
}

const TABLE: readonly [string, Partial<VmSpec>, Partial<QemuHost>, Record<string, string>][] = [
  ['KVM on amd64', { accelerator: 'kvm' }, {}, { '-accel': 'kvm', '-cpu': 'host' }],
  [
    'emulation on arm64',
    {},
    { arch: 'arm64', machine: 'virt-7.2' },
    {
      '-machine': 'virt-7.2,gic-version=max,dump-guest-core=off,memory-backend=memory',
      '-cpu': 'max,pauth-impdef=on',
      '-kernel': '/k/vmlinuz',
    },
  ],
  ['one processor', { vcpuCount: 1 }, {}, { '-smp': 'cpus=1,sockets=1,cores=1,threads=1' }],
  [
    'a kernel without its ELF file',
    { bootSource: { arch: 'amd64', kernelPath: '/k/vmlinuz', initrdPath: '/k/initrd', bootArgs: [] } },
    {},
    { '-kernel': '/k/vmlinuz' },
  ],
];

for (const [what, spec, host, expected] of TABLE) {
  test(`${what} is requested correctly`, () => {
    const argv = qemuArgv({ ...SPEC, ...spec }, { ...HOST, ...host });
    for (const [option, value] of Object.entries(expected)) assert.equal(optionOf(argv, option), value);
  });
}

test('QEMU ends when its guest reboots, except for an emulated PC during its boot', () => {
  const arm: QemuHost = { binary: '/usr/bin/qemu-system-aarch64', arch: 'arm64', machine: 'virt-7.2' };
  const saved = { kind: 'restore', memoryPath: '/s/memory' } as const;
  assert.ok(!qemuArgv(SPEC, HOST).includes('-no-reboot'));
  assert.ok(qemuArgv({ ...SPEC, accelerator: 'kvm' }, HOST).includes('-no-reboot'));
  assert.ok(qemuArgv(SPEC, HOST, saved).includes('-no-reboot'));
  assert.ok(qemuArgv(SPEC, arm).includes('-no-reboot'));
});

test('a path with any characters stays one value of one option', () => {
  const path = fc.string({ unit: 'grapheme' }).map((name) => `/x/${name.replaceAll('\0', '')}`);
  fc.assert(
    fc.property(path, path, (runtimeDir, file) => {
      const drives = SPEC.drives.map((drive) => ({ ...drive, pathOnHost: file }));
      const argv = qemuArgv({ ...SPEC, runtimeDir, consoleLogPath: file, drives }, HOST);
      const chardevs = argv.filter((_, at) => argv[at - 1] === '-chardev').map(splitOption);
      assert.deepEqual(
        chardevs.map((keys) => Object.keys(keys)),
        [
          ['socket', 'id', 'path', 'server', 'wait'],
          ['file', 'id', 'path', 'append'],
          ['socket', 'id', 'path', 'server', 'wait'],
        ],
      );
      assert.equal(chardevs[1]?.['path'], file);
      const nodes = argv.filter((_, at) => argv[at - 1] === '-blockdev').map((text) => JSON.parse(text));
      assert.deepEqual([nodes[0].file.filename, nodes[1].file.file.filename], [file, file]);
    }),
  );
});

/** Parses an option as QEMU does: `,` separates, `,,` is a comma. */
function splitOption(text: string): Record<string, string> {
  const parts = text.replaceAll(',,', '\0').split(',');
  return Object.fromEntries(
    parts.map((part) => {
      const [key = '', ...rest] = part.replaceAll('\0', ',').split('=');
      return [key, rest.join('=')];
    }),
  );
}
