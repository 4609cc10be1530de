import type { KeyedMutex } from '../../base/async.ts';
import type { Logger } from '../../base/log.ts';
import type { VmShape } from '../../protocol/vm.ts';
import type { ImageStore, KernelStore } from '../ports/images.ts';
import type { VmRecords } from '../ports/records.ts';
import type { VmFiles } from '../ports/vm-files.ts';
import type { VmDriver } from '../ports/vmm.ts';
import type { WorkspaceSource } from '../ports/workspace.ts';
import type { HostLimits } from '../rules/vm-shape.ts';
import type { LiveVms } from './live-vms.ts';

/** Everything that the use cases work on; made once by the daemon. */
export interface VmWorld {
  records: VmRecords;
  driver: VmDriver;
  images: ImageStore;
  kernels: KernelStore;
  files: VmFiles;
  workspaces: WorkspaceSource;
  live: LiveVms;
  /** one lifecycle operation at a time for each VM, keyed by its id; never held while a user's command runs */
  locks: KeyedMutex;
  log: Logger;
  defaults: VmShape;
  defaultImage: string;
  host: HostLimits;
}
