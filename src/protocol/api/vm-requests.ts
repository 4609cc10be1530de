import type { Vm, VmShape, WaitCondition } from '../vm.ts';
import type { VmmSignal } from '../vmm-signal.ts';

export interface CreateVmRequest extends Partial<VmShape> {
  name?: string;
  image?: string;
  /** let the guest open connections to the outside; default false */
  nat?: boolean;
  /** do not start it */
  noStart?: boolean;
  /** boot it, even where a warm template would do */
  cold?: boolean;
  /**
   * The stream stays open after the result, and the VM is deleted when the client closes it or dies: `--rm`.
   */
  ephemeral?: boolean;
  /**
   * a VM whose guest is not ready in time stays, in state `error`, for a look at its console; default false:
   * nothing is left
   */
  keepFailed?: boolean;
}

export interface StartVmRequest {
  /** boot it, even where a warm template would do; a suspended VM loses what was in its memory */
  cold?: boolean;
  /** only resume it: a VM that is neither suspended nor running is refused */
  onlyResume?: boolean;
}

/** What ends a VM that is killed. */
export interface KillVmRequest {
  /** what the VMM is sent first; default: what makes it end in order */
  signal?: VmmSignal;
}

/** What is to be changed of a VM; the rest stays. */
export interface SetVmRequest {
  vcpuCount?: number;
  memoryMib?: number;
  /** only larger than it is */
  diskSizeBytes?: number;
  /** the guest may open connections to the outside; at once when it runs */
  nat?: boolean;
}

export interface RenameVmRequest {
  name: string;
}

export interface WaitForVmRequest {
  until: WaitCondition;
  /** default: no limit */
  timeoutMs?: number;
}

/** Copies of a running VM that are wanted. */
export interface ForkVmRequest {
  /** for the first of them; the others are called after the source */
  names?: string[];
  /** default: as many as there are names, at least 1 */
  count?: number;
  /** as of CreateVmRequest: they are deleted when the client goes away */
  ephemeral?: boolean;
}

export interface ForkedVms {
  vms: Vm[];
  /** how long the source stood still, in `ms` */
  pausedMs: number;
}

/** What OpenSSH needs to log in to a guest, over a stream to its port. */
export interface SshAccess {
  vm: { id: string; name: string };
  user: string;
  /** of the guest's loopback addresses */
  port: number;
  /** private key on the daemon's host */
  identityFile: string;
  /** has the guest's host key, under `hostKeyAlias`, and nothing else */
  knownHostsFile: string;
  hostKeyAlias: string;
}
