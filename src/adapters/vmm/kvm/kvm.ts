import { formatTime } from '../../../base/text/words.ts';
import { type HostFacts, hasCpuFlag } from '../host-facts.ts';

/** `ms` for a test boot on an idle physical host; a working KVM needs a tenth of it. */
const DEADLINE_MS = 5_000;
/** `ms` on a host that is itself a VM: its KVM is slower, and much slower when it is emulated. */
const NESTED_DEADLINE_MS = 15_000;
/** Largest factor by which load extends the deadline of a test boot. */
const MAX_LOAD_FACTOR = 4;

/** `ms` that our kernel may take to reach our initramfs on KVM, on this host under its current load. */
export function kvmDeadlineMs({ cpuInfo, load }: { cpuInfo: string; load: number }): number {
  const idleMs = hasCpuFlag(cpuInfo, 'hypervisor') ? NESTED_DEADLINE_MS : DEADLINE_MS;
  return Math.round(idleMs * Math.min(Math.max(load, 1), MAX_LOAD_FACTOR));
}

/**
 * Why KVM need not be tried here, in words for the user; `undefined` when only a test boot can tell. A device
 * that opens proves nothing: in some virtual machines it exists but cannot run a kernel.
 */
export function reasonAgainstKvm(facts: {
  arch: HostFacts['arch'];
  cpuInfo: string;
  openError: string | undefined;
}): string | undefined {
  if (facts.arch === 'amd64' && !hasCpuFlag(facts.cpuInfo, 'vmx', 'svm')) {
    return unusable('the CPU offers no vmx or svm');
  }
  switch (facts.openError) {
    case undefined:
      return undefined;
    case 'ENOENT':
      return unusable('/dev/kvm is missing; load the kernel module kvm_intel or kvm_amd');
    case 'EACCES':
    case 'EPERM':
      return unusable('/dev/kvm: permission denied; add yourself to the kvm group');
    default:
      return unusable(`/dev/kvm cannot be opened: ${facts.openError}`);
  }
}

/**
 * The result of a test boot: it reached our initramfs, its VMM ended before that, or neither had happened at
 * the deadline.
 */
export type ProbeOutcome = 'reached' | 'ended' | 'late';

/** What a test boot found. */
export interface ProbeResult {
  outcome: ProbeOutcome;
  /** the time limit that applied in the end, in `ms` */
  deadlineMs: number;
}

/** What our initramfs prints when it runs with `banger.mode=probe` (`docs/agent-protocol.md`). */
export const PROBE_MARKER = 'BANGER-PROBE-OK';

/** Enough for a kernel and our initramfs. */
export const PROBE_MEMORY_MIB = 256;

/** The result of a test boot on KVM. */
export interface KvmFinding extends ProbeResult {
  /**
   * time since the epoch in `ms` after which KVM is tested again; absent: not until the host boots again or
   * the VMM or the kernel changes
   */
  retryAtMs?: number;
}

/**
 * Why KVM is not used although it looked usable, and what the user can do; `undefined` when KVM works. `vmm`
 * names the VMM of the test boot.
 */
export function againstKvm(
  { outcome, deadlineMs, retryAtMs }: KvmFinding,
  { nowMs, vmm }: { nowMs: number; vmm: string },
): { reason: string; hint: string } | undefined {
  const minutes = Math.max(Math.ceil(((retryAtMs ?? nowMs) - nowMs) / 60_000), 1);
  const again = retryAtMs === undefined ? '' : `banger tests it again in ${minutes} min; `;
  const hint = `${again}BANGER_ACCELERATOR=kvm uses KVM without a test, BANGER_ACCELERATOR=tcg never tests it`;
  switch (outcome) {
    case 'reached':
      return undefined;
    case 'late':
      return {
        reason: unusable(`a test boot did not reach the initramfs in ${formatTime(deadlineMs)}`),
        hint,
      };
    case 'ended':
      return { reason: unusable(`${vmm} ended in the middle of a test boot`), hint };
  }
}

function unusable(why: string): string {
  return `KVM is not usable here (${why})`;
}
