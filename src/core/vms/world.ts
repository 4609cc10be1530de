import type { LatestTasks } from '../../base/latest-tasks.ts';
import type { Logger } from '../../base/log.ts';
import type { VmShape } from '../../protocol/vm.ts';
import type { GuestConnector } from '../ports/guest.ts';
import type { HostUser } from '../ports/host-user.ts';
import type { ImageStore, KernelStore } from '../ports/images.ts';
import type { VmRecords } from '../ports/records.ts';
import type { VmSnapshots } from '../ports/snapshots.ts';
import type { TemplateStore } from '../ports/templates.ts';
import type { VmFiles } from '../ports/vm-files.ts';
import type { VmDriver } from '../ports/vmm/driver.ts';
import type { WorkspaceSource } from '../ports/workspace.ts';
import type { HostLimits } from '../rules/vm-shape.ts';
import type { StatsHistory } from './guest/stats-history.ts';
import type { SyncLimits } from './lifecycle/while-working.ts';
import type { LiveVms } from './live-vms.ts';
import type { StandbyKeeper } from './saved/standby-vm.ts';
import type { UnlistedVms } from './unlisted-vms.ts';
import type { VmLocks } from './vm-locks.ts';

/** Everything that the use cases work on; made once by the daemon. */
export interface VmWorld {
  records: VmRecords;
  driver: VmDriver;
  images: ImageStore;
  kernels: KernelStore;
  files: VmFiles;
  workspaces: WorkspaceSource;
  hostUser: HostUser;
  live: LiveVms;
  /** for guests that are no VM of the user; theirs are reached through `live` */
  connector: GuestConnector;
  templates: TemplateStore;
  snapshots: VmSnapshots;
  /** VMs of nobody */
  unlisted: UnlistedVms;
  /** what is done when its caller has gone, by the VM's id */
  background: LatestTasks;
  /** a VM that waits for whoever starts one of its shape next; absent: none is made */
  standby?: StandbyKeeper;
  /** `bytes` of the host's memory that programs can have now */
  freeMemoryBytes: () => number;
  /** new VMs are made of templates, unless they are told not to be */
  isWarm: boolean;
  /**
   * when a guest that was just booted counts as quiet: busy for less than `share` of its processors' time,
   * twice in a row, looked at every `everyMs`; it is waited for `deadlineMs` at most
   */
  quiet: { share: number; everyMs: number; deadlineMs: number };
  /** how long the guest of a VM that is stopped, or killed, is waited for */
  syncLimits: { stop: SyncLimits; kill: SyncLimits };
  /**
   * `ms` from the VMM's start to a guest whose services are up: an emulated guest on a busy host takes its
   * time
   */
  bootDeadlineMs: number;
  /** what all templates together may take on disk, in `bytes` */
  templateBudgetBytes: number;
  stats: StatsHistory;
  /**
   * one lifecycle operation at a time for each VM, keyed by its id; never held while a user's command runs
   */
  locks: VmLocks;
  log: Logger;
  /** version of this banger */
  release: string;
  defaults: VmShape;
  defaultImage: string;
  host: HostLimits;
}
