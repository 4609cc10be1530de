import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { hasCpuFlag } from '../../host-facts.ts';
import type { QemuHost } from '../qemu-host.ts';

/**
 * Frequency in Hz of the timers of an emulated PC's processors: QEMU's APIC counts nanoseconds
 * (hw/intc/apic_common.c), of which Linux takes every sixteenth (`APIC_DIVISOR`).
 */
const APIC_TIMER_HZ = 1e9 / 16;

/**
 * The kernel command line: what this machine needs, then the caller's words, which win. The parameters are
 * described in the kernel's `Documentation/admin-guide/kernel-parameters.txt`.
 */
export function kernelCommandLine(
  { bootSource, accelerator }: Pick<VmSpec, 'bootSource' | 'accelerator'>,
  host: QemuHost,
): string {
  const console = host.arch === 'amd64' ? 'console=ttyS0' : 'console=ttyAMA0';
  return [
    console,
    'quiet',
    // A panic ends the VMM (-no-reboot) instead of leaving a dead VM that looks alive.
    'panic=-1',
    'random.trust_cpu=on',
    // The self-tests of the kernel's ciphers look for broken hardware; they are a fifth of a boot under
    // emulation.
    'cryptomgr.notests',
    ...(host.arch === 'amd64' ? ['reboot=t', '8250.nr_uarts=1'] : []),
    ...(accelerator === 'tcg' ? emulationArgs(bootSource.timerHz, host) : []),
    ...bootSource.bootArgs,
  ].join(' ');
}

function emulationArgs(timerHz: number | undefined, { arch, tscKhz }: QemuHost): string[] {
  // The emulated processor does not speculate, and has one way to idle.
  const args = ['mitigations=off', 'cpuidle.off=1'];
  // Two things that cost each allocation of the guest's kernel more than they do on real processors: clearing
  // what it gets, and counting it for its control group (whose limits then count what programs use, but not
  // what the kernel uses for them).
  args.push('init_on_alloc=0', 'cgroup.memory=nokmem,nosocket');
  if (arch !== 'amd64') return args;
  // Measuring it goes wrong on a busy host (docs/guest-boot.md).
  args.push(`banger.timer_hz=${APIC_TIMER_HZ}`);
  if (tscKhz === undefined) return args;
  // An emulated TSC is the host's. This machine has no other clock to measure it by than the PIT, and
  // measuring fails on a busy host: then the kernel has no timer at all and stands still for ever. Told the
  // frequency, it boots always, and has a clock finer than its ticks. (The kernel then patches its clock code
  // while processors run it. QEMU before 8.1 may lose such a patch between two of its threads, and the guest
  // hangs in int3 for ever: once in a hundred boots with 4 processors on a host with a load of 20, never seen
  // on a host at ease. Without cpuidle the idle processors stay clear of the patched place: none in 34.)
  args.push(`tsc_early_khz=${tscKhz}`, 'tsc=reliable');
  // Saves 0.1 s of measuring for each processor after the first.
  if (timerHz !== undefined) args.push(`lpj=${Math.round((tscKhz * 1000) / timerHz)}`);
  return args;
}

/**
 * Frequency of the host's TSC in kHz, read from /proc/cpuinfo: on x86 Linux gives "bogomips" as twice the
 * TSC's frequency in MHz, with two decimals, so this is exact to a few millionths. `undefined` where the TSC
 * is not a steady clock or the figure is out of all bounds.
 */
export function hostTscKhz(cpuInfo: string): number | undefined {
  if (!hasCpuFlag(cpuInfo, 'constant_tsc')) return undefined;
  const khz = Math.round(Number(/^bogomips\s*:\s*([0-9]+(?:\.[0-9]+)?)\s*$/m.exec(cpuInfo)?.[1]) * 500);
  return khz >= 200_000 && khz <= 20_000_000 ? khz : undefined;
}
