import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MACHINES } from './machine/machines.ts';
import { type SavingQemu, savedGuestKind } from './saved-guest-kind.ts';

const CPU = `model name\t: A Processor @ 2.20GHz\nflags\t\t: fpu vmx sse\nmodel name\t: another\n`;

const BASE: SavingQemu = {
  binary: { path: '/usr/bin/qemu', version: '7.2.22', machines: new Set(['microvm']) },
  host: { binary: '/usr/bin/qemu', arch: 'amd64', machine: 'microvm', tscKhz: 2_200_000 },
  accelerator: 'tcg',
  cpuInfo: CPU,
};

function qemu(
  changes: { version?: string; host?: Partial<SavingQemu['host']> } & Partial<Omit<SavingQemu, 'host'>>,
): SavingQemu {
  const { version = BASE.binary.version, host, ...others } = changes;
  return { ...BASE, binary: { ...BASE.binary, version }, ...others, host: { ...BASE.host, ...host } };
}

/** The parts because of which a guest that the first has saved does not fit the second. */
function differing(one: SavingQemu, other: SavingQemu): string[] {
  const [a, b] = [savedGuestKind(one).parts, savedGuestKind(other).parts];
  return Object.entries(a).flatMap(([part, { token }]) =>
    token === Reflect.get(b, part).token ? [] : [part],
  );
}

const TABLE: readonly [string, SavingQemu, SavingQemu, string[]][] = [
  ['the same', BASE, BASE, []],
  ['another stable release', BASE, qemu({ version: '7.2.23' }), []],
  ['another QEMU', BASE, qemu({ version: '8.2.0' }), ['vmm']],
  ['a QEMU at another path', BASE, qemu({ host: { binary: '/opt/qemu' } }), []],
  ['a clock with another measured frequency', BASE, qemu({ host: { tscKhz: 2_200_004 } }), []],
  ['a kernel that lists more features', BASE, qemu({ cpuInfo: CPU.replace('sse', 'sse bhi') }), []],
  ['another processor', BASE, qemu({ cpuInfo: CPU.replace('A ', 'B ') }), ['processor']],
  ['another machine', BASE, qemu({ host: { machine: 'virt-7.2' } }), ['vmm', 'machine']],
  [
    'the same processor with other features, on KVM',
    qemu({ accelerator: 'kvm' }),
    qemu({ accelerator: 'kvm', cpuInfo: CPU.replace('sse', 'sse avx') }),
    ['processor'],
  ],
  [
    'another QEMU with the same machine version',
    qemu({ host: { arch: 'arm64', machine: 'virt-7.2' } }),
    qemu({ version: '8.2.0', host: { arch: 'arm64', machine: 'virt-7.2' } }),
    [],
  ],
];

for (const [what, one, other, parts] of TABLE) {
  test(`a saved guest and ${what}: ${parts.length === 0 ? 'it fits' : `${parts} differ`}`, () =>
    assert.deepEqual(differing(one, other), parts));
}

test('emulation and KVM differ, and each part has a readable name', () => {
  assert.ok(differing(BASE, qemu({ accelerator: 'kvm' })).includes('accelerator'));
  const { vmm, machine, processor } = savedGuestKind(BASE).parts;
  assert.deepEqual([vmm.name, processor.name], ['QEMU 7.2.22', '"A Processor @ 2.20GHz"']);
  assert.match(machine.name, /^"microvm" \(options [0-9a-f]{8}\)$/);
});

test('the key may differ even if a restored guest would fit', () => {
  assert.notEqual(savedGuestKind(BASE).key, savedGuestKind(qemu({ version: '7.2.23' })).key);
});

test('arm64 gets a versioned machine type if there is one', () => {
  const offered = (...names: string[]): string => MACHINES.arm64.typeIn(new Set(['raspi3b', ...names]));
  assert.equal(offered('virt', 'virt-7.2', 'virt-8.2'), 'virt-7.2');
  assert.equal(offered('virt', 'virt-9.2', 'virt-10.0'), 'virt-10.0');
  assert.equal(offered('virt', 'virt-7.0', 'virt-7.1'), 'virt-7.1');
  assert.equal(offered('virt'), 'virt');
  assert.equal(MACHINES.amd64.typeIn(new Set(['microvm', 'virt-7.2'])), 'microvm');
});
