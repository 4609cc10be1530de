import type { ErrorBody } from './events.ts';
import type { Vm, VmShape, WaitCondition } from './vm.ts';
import type { VmmSignal } from './vmm-signal.ts';

/**
 * The daemon's API: HTTP/1.1 with JSON over its Unix socket. Long work answers 200 with JSON lines (`events.ts`) and is an operation, whose id
 * comes first; a client that hangs up cancels it, unless it asked with `?detach=1` that it goes on. `REF` is a VM's id, a unique prefix of
 * it, or its name.
 *
 *     GET    /v1/daemon                     DaemonStatus
 *     POST   /v1/daemon/stop                {}              drains, then exits; VMs keep running
 *     GET    /v1/doctor                     {checks: DoctorCheck[]}   read-only
 *     POST   /v1/doctor/deep                events, result {checks: DoctorCheck[]}   reads all that was saved
 *     POST   /v1/doctor/fix                 {checks: DoctorCheck[], fixed: string[]}   removes what is orphaned
 *     GET    /v1/vms?all=1                  {vms: Vm[]}     running only without all=1
 *     POST   /v1/vms                        CreateVmRequest -> events, result Vm
 *     GET    /v1/vms/REF?host=1             Vm             host=1 looks at what its workspace is a copy of
 *     POST   /v1/vms/REF/start              StartVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/stop               events, result Vm
 *     POST   /v1/vms/REF/restart            events, result Vm
 *     POST   /v1/vms/REF/kill               KillVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/set                SetVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/rename             RenameVmRequest -> events, result Vm
 *     POST   /v1/vms/REF/wait               WaitForVmRequest -> events, result Vm
 *     DELETE /v1/vms/REF?resting=1          events, result Vm (as it last was); with resting=1 only one that does not run
 *     GET    /v1/vms/REF/logs?kind=console|vmm&follow=1   text/plain
 *     GET    /v1/vms/REF/ports              VmPorts
 *     GET    /v1/vms/REF/stats              VmStats
 *     GET    /v1/vms/REF/stat?path=P        GuestPath     what a path in the guest means
 *     GET    /v1/vms/REF/files?path=P&as=NAME   a tar archive of a file or directory of the guest
 *     PUT    /v1/vms/REF/files?path=P       a tar archive, unpacked in directory P of the guest -> Unpacked
 *     POST   /v1/vms/REF/workspace          PrepareWorkspaceRequest -> events, result PreparedWorkspace
 *     POST   /v1/vms/REF/exec               Upgrade: banger-exec; then exec frames both ways
 *     POST   /v1/vms/REF/tcp?port=N         Upgrade: banger-tcp; then the bytes of a port on the guest's loopback addresses, both ways
 *     GET    /v1/vms/REF/ssh                SshAccess
 *     POST   /v1/workspaces/inspect         InspectWorkspaceRequest -> WorkspaceSummary
 *     POST   /v1/workspaces/pack            WorkspaceChoice -> events, result PackedWorkspace, which lasts until the client hangs up
 *     GET    /v1/images                     {images: Image[]}
 *     GET    /v1/images/NAME                Image
 *     POST   /v1/images/NAME/build          BuildImageRequest -> events, result Image
 *     DELETE /v1/images/NAME                {}
 *     GET    /v1/kernels                    {kernels: Kernel[]}
 *     GET    /v1/operations?all=1           {operations: Operation[]}   those under way; with all=1 also those that ended lately
 *     GET    /v1/operations/ID/events       its events from the first on, as its own client gets them
 *     POST   /v1/operations/ID/cancel       Operation, once it has ended and what it began is undone
 *     POST   /v1/vms/REF/suspend            events, result Vm
 *     POST   /v1/vms/REF/fork               ForkVmRequest -> events, result ForkedVms
 *     GET    /v1/vms/REF/snapshots          {snapshots: Snapshot[]}
 *     POST   /v1/vms/REF/snapshots          CreateSnapshotRequest -> events, result Snapshot
 *     POST   /v1/vms/REF/snapshots/TAG/restore  events, result Vm
 *     DELETE /v1/vms/REF/snapshots/TAG      {}
 *     GET    /v1/templates                  {templates: Template[]}
 *     GET    /v1/templates/KEY              Template        KEY: a key or a unique prefix of one
 *     DELETE /v1/templates/KEY              {}
 *     POST   /v1/templates/prune            PruneTemplatesRequest -> {keys: string[]}
 *     GET    /v1/openapi.json               the OpenAPI document
 */
export const API_PREFIX = '/v1';

/** Answer header with the daemon's version and build; the CLI compares it with its own. */
export const VERSION_HEADER = 'banger-version';

/** Trailer of a streamed answer that failed in the middle: its error body, as JSON in base64. */
export const ERROR_TRAILER = 'banger-error';

/** `Upgrade:` value of the exec stream. */
export const EXEC_UPGRADE = 'banger-exec';

/** `Upgrade:` value of the stream to a port of the guest. */
export const TCP_UPGRADE = 'banger-tcp';

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
  /** a VM whose guest is not ready in time stays, in state `error`, for a look at its console; default false: nothing is left */
  keepFailed?: boolean;
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

/** How an operation stands. */
export type OperationState = 'running' | 'done' | 'failed' | 'cancelled';

/** Long work in the daemon: under way, or ended a short while ago. */
export interface Operation {
  /** `op-` and 8 hex digits */
  id: string;
  /** what it does: `vm.create`, `image.build` */
  kind: string;
  /** name of the VM or the image, when there is one yet */
  target?: string;
  state: OperationState;
  /** what was told last */
  stage?: string;
  detail?: string;
  /** it goes on when its client hangs up */
  isDetached: boolean;
  /** a stop or a delete that has begun is not undone by half */
  isCancellable: boolean;
  startedAt: string;
  endedAt?: string;
  /** why it failed */
  error?: ErrorBody;
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

export interface StartVmRequest {
  /** boot it, even where a warm template would do; a suspended VM loses what was in its memory */
  cold?: boolean;
  /** only resume it: a VM that is neither suspended nor running is refused */
  onlyResume?: boolean;
}

/**
 * How much of a repository's history goes with a working tree. `shallow_overlay`: all of HEAD's, or its newest commits when that is large; `full_copy`: all of
 * HEAD's, however large. The files are the same.
 */
export const WORKSPACE_MODES = ['shallow_overlay', 'full_copy'] as const;
export type WorkspaceMode = (typeof WORKSPACE_MODES)[number];

/** Which working tree is sent, and how. */
export interface WorkspaceChoice {
  /** absolute host path in a git working tree */
  path: string;
  /** also files that git neither tracks nor ignores */
  includeUntracked?: boolean;
  /** a branch that is made in the guest, and switched to */
  branch?: string;
  /** what `branch` begins at; default: HEAD */
  from?: string;
  /** default: `shallow_overlay` */
  mode?: WorkspaceMode;
}

export interface InspectWorkspaceRequest extends WorkspaceChoice {
  /** answer the names of the files too */
  withFiles?: boolean;
}

/** What `vm run PATH` would send. */
export interface WorkspaceSummary {
  repoRoot: string;
  repoName: string;
  /** absent on a branch without commits */
  headCommit?: string;
  /** absent when HEAD is detached */
  branch?: string;
  trackedCount: number;
  untrackedCount: number;
  /** depth of the history that is sent, when all of it would be too much; known only once packing has begun */
  historyDepth?: number;
  /** absent when it asks for none */
  tooling?: WorkspaceTooling;
  /** names of the files that are sent, below `repoRoot`; only when asked for */
  files?: string[];
}

/** Tools that a working tree asks for. */
export interface WorkspaceTooling {
  /** files at its top that mise reads by itself */
  files: string[];
  /** tools that other files at its top name, as mise takes them: `go@1.22.3` */
  pins: string[];
}

export interface PrepareWorkspaceRequest extends WorkspaceChoice {
  /** default `/root/repo` */
  guestPath?: string;
  /** of the same choice, packed before; where it is gone, or of another choice, it is packed now */
  packId?: string;
}

/** A working tree whose packing has begun. */
export interface PackedWorkspace {
  /** for `PrepareWorkspaceRequest`, once */
  packId: string;
  summary: WorkspaceSummary;
}

export interface PreparedWorkspace extends WorkspaceSummary {
  guestPath: string;
  bytes: number;
}

export interface BuildImageRequest {
  /** build again although the image exists */
  force?: boolean;
}

export interface Image {
  name: string;
  /** content identity, `sha256:...` of its manifest's inputs */
  id: string;
  arch: 'amd64' | 'arm64';
  distro: string;
  kernel: string;
  /** apparent size of the root file system, and what it takes on disk */
  sizeBytes: number;
  diskBytes: number;
  createdAt: string;
  usedBy: string[];
}

export interface Kernel {
  name: string;
  release: string;
  arch: 'amd64' | 'arm64';
  diskBytes: number;
  createdAt: string;
}

export interface CreateSnapshotRequest {
  /** default: the time, as `20260131-235959` in UTC */
  tag?: string;
}

/** A VM as it was at one moment: memory and drives. */
export interface Snapshot {
  tag: string;
  shape: VmShape;
  /** what its files take on disk */
  diskBytes: number;
  createdAt: string;
}

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

export interface DaemonStatus {
  pid: number;
  version: string;
  build: string;
  socketPath: string;
  logPath: string;
  startedAt: string;
  runningVmCount: number;
  /** a VM of nobody that runs, for the next start of its shape; absent when there is none. It is not counted. */
  standbyVmId?: string;
  activeRequestCount: number;
  /** `ms` until it exits by itself when nothing happens, absent while a VM runs */
  idleExitInMs?: number;
  rssBytes: number;
  /** the JavaScript heap's part of that, and what JavaScript objects hold outside of it; absent from a daemon of an older build */
  memory?: { heapUsedBytes: number; heapTotalBytes: number; externalBytes: number };
}

/** One line of `banger doctor`. */
export interface DoctorCheck {
  name: string;
  status: 'pass' | 'warn' | 'fail';
  message: string;
  /** the one next step */
  fix?: string;
  /** the facts behind the message */
  details?: string[];
}

/** What `banger doctor --fix` did, and how things are then. */
export interface DoctorFix {
  checks: DoctorCheck[];
  /** names of what was removed */
  fixed: string[];
}
