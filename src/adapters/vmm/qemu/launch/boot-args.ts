import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { hasCpuFlag } from '../../host-facts.ts';
import type { QemuHost } from '../qemu-host.ts';

/**
 * Timer frequency of an emulated PC's processors, in Hz: QEMU's APIC counts nanoseconds
 * (hw/intc/apic_common.c), and Linux uses every sixteenth (`APIC_DIVISOR`).
 */
const APIC_TIMER_HZ = 1e9 / 16;

/**
 * The kernel command line: what this machine needs, then the caller's words, which take precedence. The
 * kernel's `Documentation/admin-guide/kernel-parameters.txt` describes the parameters.
 */
export function kernelCommandLine(
  { bootSource, accelerator }: Pick<VmSpec, 'bootSource' | 'accelerator'>,
  host: QemuHost,
): string {
  const console = host.arch === 'amd64' ? 'console=ttyS0' : 'console=ttyAMA0';
  return [
    console,
    'quiet',
    // A panic ends the VMM (with -no-reboot) instead of leaving a dead VM that looks alive.
    'panic=-1',
    'random.trust_cpu=on',
    // The self-tests of the kernel's ciphers look for broken hardware; under emulation they take a fifth of
    // the boot.
    'cryptomgr.notests',
    // `loglevel`: this machine has no PCI bus, which the kernel of a PC reports as a fatal error, even with
    // `pci=off`. When the agent starts, it shows errors there again (`agent/internal/boot/printk.go`).
    ...(host.arch === 'amd64' ? ['loglevel=3', 'reboot=t', '8250.nr_uarts=1'] : []),
    ...(accelerator === 'tcg' ? emulationArgs(bootSource.timerHz, host) : []),
    ...bootSource.bootArgs,
  ].join(' ');
}

function emulationArgs(timerHz: number | undefined, { arch, tscKhz }: QemuHost): string[] {
  // The emulated processor does not speculate, and has only one idle state.
  const args = ['mitigations=off', 'cpuidle.off=1'];
  // Two features that cost more per kernel allocation here than on real processors: clearing the memory, and
  // charging it to a control group. (Limits of a control group then count what its programs use, but not what
  // the kernel uses on their behalf.)
  args.push('init_on_alloc=0', 'cgroup.memory=nokmem,nosocket');
  if (arch !== 'amd64') return args;
  // Measuring the timer fails on a busy host (docs/guest-boot.md).
  args.push(`banger.timer_hz=${APIC_TIMER_HZ}`);
  if (tscKhz === undefined) return args;
  // An emulated TSC is the host's. To measure its frequency, this machine has only the PIT, and measuring
  // fails on a busy host: the kernel then has no timer and hangs for ever. A kernel that is told the
  // frequency always boots, and its clock is finer than its ticks. (It then patches its clock code while
  // processors run it. QEMU before 8.1 may lose such a patch between two of its threads, and the guest hangs
  // in int3 for ever: once in a hundred boots with 4 processors at a load of 20, never on an idle host.
  // Without cpuidle the idle processors stay away from the patched code: no hang in 34 boots.)
  args.push(`tsc_early_khz=${tscKhz}`, 'tsc=reliable');
  // Saves 0.1 s of measuring for each processor after the first.
  if (timerHz !== undefined) args.push(`lpj=${Math.round((tscKhz * 1000) / timerHz)}`);
  return args;
}

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
