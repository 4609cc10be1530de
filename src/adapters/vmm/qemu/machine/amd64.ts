import type { KnownClocks, Machine } from './machine.ts';

/**
 * Timer frequency of an emulated PC's processors, in Hz: QEMU's APIC counts nanoseconds
 * (hw/intc/apic_common.c), and Linux uses every sixteenth (`APIC_DIVISOR`).
 */
const APIC_TIMER_HZ = 1e9 / 16;

/** QEMU's microvm. It has no versions: a saved guest belongs to a QEMU series. */
export const AMD64: Machine = {
  program: 'qemu-system-x86_64',
  type: 'microvm',
  typeIn: () => 'microvm',
  options: 'rtc=on',
  // No five-level paging; and no `erms`, which promises that copying byte by byte is fast and makes kernels
  // and C libraries do that.
  emulatedCpu: 'max,la57=off,erms=off',
  console: 'ttyS0',
  // `loglevel`: this machine has no PCI bus, which the kernel of a PC reports as a fatal error, even with
  // `pci=off`. When the agent starts, it shows errors there again (`agent/internal/boot/printk.go`).
  bootArgs: ['loglevel=3', 'reboot=t', '8250.nr_uarts=1'],
  emulationArgs: timerArgs,
  // QEMU starts the ELF file at its PVH entry, which avoids decompression, slow under emulation.
  kernelFile: ({ kernelPath, vmlinuxPath }) => vmlinuxPath ?? kernelPath,
  mayLackTimer: true,
};

function timerArgs({ timerHz, tscKhz }: KnownClocks): string[] {
  // Measuring the timer fails on a busy host (docs/guest-boot.md).
  const args = [`banger.timer_hz=${APIC_TIMER_HZ}`];
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
