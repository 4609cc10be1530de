import type { VmShape } from '../vm.ts';

/** A warm template: a guest that has booted and gone quiet, from which VMs of one shape start. */
export interface Template {
  /** 64 hex digits */
  key: string;
  image: string;
  kernel: string;
  shape: VmShape;
  /** name and version */
  vmm: string;
  /** what its files take on disk */
  diskBytes: number;
  createdAt: string;
  lastUsedAt: string;
}

export interface PruneTemplatesRequest {
  /** remove all that are not in use, instead of what is beyond the budget */
  all?: boolean;
}
