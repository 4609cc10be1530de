import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { hasCpuFlag } from '../../host-facts.ts';
import { MACHINES } from '../machine/machines.ts';
import type { QemuHost } from '../qemu-host.ts';

/**
 * The kernel command line: what this machine needs, then the caller's words, which take precedence. The
 * kernel's `Documentation/admin-guide/kernel-parameters.txt` describes the parameters.
 */
export function kernelCommandLine(
  { bootSource, accelerator }: Pick<VmSpec, 'bootSource' | 'accelerator'>,
  { arch, tscKhz }: QemuHost,
): string {
  const { console, bootArgs, emulationArgs } = MACHINES[arch];
  return [
    `console=${console}`,
    'quiet',
    // A panic ends the VMM (with -no-reboot) instead of leaving a dead VM that looks alive.
    'panic=-1',
    'random.trust_cpu=on',
    // The self-tests of the kernel's ciphers look for broken hardware; under emulation they take a fifth of
    // the boot.
    'cryptomgr.notests',
    ...bootArgs,
    ...(accelerator === 'tcg'
      ? [...EMULATION_ARGS, ...emulationArgs({ timerHz: bootSource.timerHz, tscKhz })]
      : []),
    ...bootSource.bootArgs,
  ].join(' ');
}

const EMULATION_ARGS = [
  // The emulated processor does not speculate, and has only one idle state.
  ...['mitigations=off', 'cpuidle.off=1'],
  // Two features that cost more per kernel allocation here than on real processors: clearing the memory, and
  // charging it to a control group. (Limits of a control group then count what its programs use, but not what
  // the kernel uses on their behalf.)
  ...['init_on_alloc=0', 'cgroup.memory=nokmem,nosocket'],
  // The agent looks for listening ports several times a second, and the kernel then walks its whole table of
  // TCP connections, however empty: 32,768 entries in a guest of 3 GiB.
  'thash_entries=1024',
] as const;

/**
 * Frequency of the host's TSC in kHz, from /proc/cpuinfo. On x86, Linux reports twice the TSC's frequency in
 * MHz as "bogomips", with two decimals, so this is exact to a few millionths. `undefined` when the TSC is not
 * a constant clock or the value is implausible.
 */
export function hostTscKhz(cpuInfo: string): number | undefined {
  if (!hasCpuFlag(cpuInfo, 'constant_tsc')) return undefined;
  const khz = Math.round(Number(/^bogomips\s*:\s*([0-9]+(?:\.[0-9]+)?)\s*$/m.exec(cpuInfo)?.[1]) * 500);
  return khz >= 200_000 && khz <= 20_000_000 ? khz : undefined;
}
