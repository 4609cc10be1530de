import type { KeyedMutex, SharedWork } from '../../base/async.ts';
import type { LatestTasks } from '../../base/latest-tasks.ts';
import type { Logger } from '../../base/log.ts';
import type { VmShape } from '../../protocol/vm.ts';
import type { GuestConnector } from '../ports/guest.ts';
import type { HostUser } from '../ports/host-user.ts';
import type { ArtifactSource } from '../ports/images/artifacts.ts';
import type { BuildFiles } from '../ports/images/build-files.ts';
import type { ImageOutlet } from '../ports/images/image-outlet.ts';
import type { ImageStore } from '../ports/images/image-store.ts';
import type { KernelStore } from '../ports/images/kernels.ts';
import type { Presets } from '../ports/presets.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';
import type { SecretValues } from '../ports/secret-values.ts';
import type { VmSnapshots } from '../ports/snapshots.ts';
import type { TemplateStore } from '../ports/templates.ts';
import type { VmFiles } from '../ports/vm-files.ts';
import type { WorkDiskBases } from '../ports/work-disk-bases.ts';
import type { WorkspaceSource } from '../ports/workspace.ts';
import type { WorkspacePulls } from '../ports/workspace-pulls.ts';
import type { HostLimits } from '../rules/vm-shape.ts';
import type { KnownHosts } from './guest/known-hosts.ts';
import type { StatsHistory } from './guest/stats-history.ts';
import type { SyncLimits } from './lifecycle/while-working.ts';
import type { LiveVms } from './live-vms.ts';
import type { GuestAddresses } from './network/guest-addresses.ts';
import type { PoolKeeper } from './pool/pool-vm.ts';
import type { UnrecordedIds } from './unrecorded-ids.ts';
import type { VmDrivers } from './vm-drivers.ts';
import type { VmLocks } from './vm-locks.ts';

/** The VMs that exist, and who may change one now. */
export interface Vms {
  records: VmRecords;
  live: LiveVms;
  /** one lifecycle operation at a time for each VM, by its id; never held while a user's command runs */
  locks: VmLocks;
  log: Logger;
}

/** What the host provides for running a VM. */
export interface VmHost {
  /** the preferred one first */
  drivers: VmDrivers;
  files: VmFiles;
  hostUser: HostUser;
}

/** What the rules of networks can stand for, and where the values of secrets come from. */
export interface EgressPolicies {
  presets: Presets;
  /** the policies of the user's configuration, each a list of rules and presets, by name */
  policies: ReadonlyMap<string, readonly string[]>;
  secretValues: SecretValues;
}

/** How the user's ssh reaches VMs. */
export interface SshSide {
  knownHosts: KnownHosts;
}

/** What VMs boot from. */
export interface BootStores {
  images: ImageStore;
  kernels: KernelStore;
}

/** Where images go. */
export interface ImageOutlets {
  outlet: ImageOutlet;
}

/** What comes from registries besides images. */
export interface Artifacts {
  artifacts: ArtifactSource;
}

/** What a new VM gets when the request does not say, and what it may have at most. */
export interface VmDefaults {
  defaults: VmShape;
  defaultImage: string;
  /** the driver of new VMs; absent: the first that fits */
  defaultVmm?: string;
  host: HostLimits;
}

/** How VMs are reached from this host. */
export interface VmNetwork {
  addresses: GuestAddresses;
  /** TCP ports on which something in a running guest listens, by the VM's id, as far as they are watched */
  listening: Map<string, ReadonlySet<number>>;
  /** resumes for a connection that waits, by the VM's id */
  waking: SharedWork<VmRecord>;
}

/** How long the daemon waits for guests. */
export interface GuestWaits {
  /**
   * `ms` from the VMM's start until the guest's services are up; an emulated guest on a busy host is slow
   */
  bootDeadlineMs: number;
  /** limits on waiting for a guest to sync before its VM is stopped or killed */
  syncLimits: { stop: SyncLimits; kill: SyncLimits };
}

/** Guests that users save and restore. */
export interface Saving {
  snapshots: VmSnapshots;
  /** work that continues after its request was answered, by the VM's id */
  background: LatestTasks;
  /** `bytes` of the host's memory that programs can have now */
  freeMemoryBytes: () => number;
  /** version of this banger */
  release: string;
}

/** Templates that new VMs start from. */
export interface WarmStarts {
  templates: TemplateStore;
  /** work disks with a repository in them */
  bases: WorkDiskBases;
  /** one start at a time makes a base image of a repository, by its top; the others then use it */
  makingBases: KeyedMutex;
  /** new VMs start from templates unless the request says otherwise */
  isWarm: boolean;
  /** what all templates and base images together may take on disk, in `bytes` */
  templateBudgetBytes: number;
  /**
   * when a guest that was just booted counts as quiet: it used less than `share` of its processors' time,
   * twice in a row, measured every `everyMs`; the daemon waits `deadlineMs` at most
   */
  quiet: { share: number; everyMs: number; deadlineMs: number };
}

/** VMs that the daemon makes for itself and that have no record. */
export interface UnrecordedVms {
  /** links to guests without a record; those of a user's VM come from `live` */
  connector: GuestConnector;
  unrecorded: UnrecordedIds;
  /** VMs that wait for the next starts of their shapes; absent: the daemon makes none */
  pool?: PoolKeeper;
}

/**
 * Everything that the use cases work on; the daemon makes it once. Each use case takes only the parts that it
 * uses.
 */
export interface VmWorld
  extends Vms,
    VmHost,
    EgressPolicies,
    SshSide,
    BootStores,
    ImageOutlets,
    Artifacts,
    VmDefaults,
    VmNetwork,
    GuestWaits,
    Saving,
    WarmStarts,
    UnrecordedVms {
  workspaces: WorkspaceSource;
  pulls: WorkspacePulls;
  buildFiles: BuildFiles;
  /** builds of Dockerfiles, one after another */
  building: KeyedMutex;
  /** one copy of a working tree at a time for each VM, by its id */
  preparing: KeyedMutex;
  stats: StatsHistory;
}
