import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import type { QemuHost } from '../qemu-host.ts';
import { hostTscKhz, kernelCommandLine } from './boot-args.ts';

const CPU = (flags: string, bogomips: string): string =>
  `processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: ${flags}\nbogomips\t: ${bogomips}\n\nprocessor\t: 1\nbogomips\t: 1.00\n`;

const FREQUENCIES: readonly [string, string, number | undefined][] = [
  ['a steady TSC', CPU('fpu constant_tsc', '5192.24'), 2_596_120],
  ['a TSC whose frequency changes', CPU('fpu tsc', '5192.24'), undefined],
  ['an impossible frequency', CPU('fpu constant_tsc', '12.00'), undefined],
  ['no figure', CPU('fpu constant_tsc', 'unknown'), undefined],
  ['an arm64 host', 'processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n', undefined],
  ['nothing', '', undefined],
];

for (const [what, cpuInfo, khz] of FREQUENCIES) {
  test(`hostTscKhz() of ${what} is ${khz}`, () => assert.equal(hostTscKhz(cpuInfo), khz));
}

const BOOT = { arch: 'amd64' as const, kernelPath: '/k', initrdPath: '/i', bootArgs: ['quiet=no', 'last'] };
const COMMON = 'quiet panic=-1 random.trust_cpu=on cryptomgr.notests';

const LINES: readonly [string, Pick<VmSpec, 'bootSource' | 'accelerator'>, Partial<QemuHost>, string][] = [
  [
    'amd64 on KVM',
    { accelerator: 'kvm', bootSource: { ...BOOT, timerHz: 250 } },
    { arch: 'amd64', tscKhz: 2_000_000 },
    `console=ttyS0 ${COMMON} loglevel=3 reboot=t 8250.nr_uarts=1 quiet=no last`,
  ],
  [
    'emulated amd64 with a known timer',
    { accelerator: 'tcg', bootSource: { ...BOOT, timerHz: 250 } },
    { arch: 'amd64', tscKhz: 2_596_120 },
    `console=ttyS0 ${COMMON} loglevel=3 reboot=t 8250.nr_uarts=1 mitigations=off cpuidle.off=1 init_on_alloc=0 cgroup.memory=nokmem,nosocket thash_entries=1024 banger.timer_hz=62500000 tsc_early_khz=2596120 tsc=reliable lpj=10384480 quiet=no last`,
  ],
  [
    'emulated amd64 on a host without a steady TSC',
    { accelerator: 'tcg', bootSource: { ...BOOT, timerHz: 250 } },
    { arch: 'amd64' },
    `console=ttyS0 ${COMMON} loglevel=3 reboot=t 8250.nr_uarts=1 mitigations=off cpuidle.off=1 init_on_alloc=0 cgroup.memory=nokmem,nosocket thash_entries=1024 banger.timer_hz=62500000 quiet=no last`,
  ],
  [
    'emulated arm64',
    { accelerator: 'tcg', bootSource: BOOT },
    { arch: 'arm64' },
    `console=ttyAMA0 ${COMMON} mitigations=off cpuidle.off=1 init_on_alloc=0 cgroup.memory=nokmem,nosocket thash_entries=1024 quiet=no last`,
  ],
];

for (const [what, spec, host, line] of LINES) {
  test(`the kernel command line of ${what}`, () => {
    assert.equal(kernelCommandLine(spec, { binary: '/q', arch: 'amd64', machine: 'microvm', ...host }), line);
  });
}
