import type {
  DaemonStatus,
  DoctorCheck,
  DoctorFix,
  ForkedVms,
  Image,
  Kernel,
  Operation,
  PackedWorkspace,
  PreparedWorkspace,
  Snapshot,
  SshAccess,
  Template,
  WorkspaceSummary,
  WorkspaceTooling,
} from '../protocol/api.ts';
import type { ErrorBody, NoticeEvent, OperationEvent, ProgressEvent, SpecEvent } from '../protocol/events.ts';
import type { GuestPath, GuestStats, Unpacked } from '../protocol/guest.ts';
import type { HostUsage, StatsSample, VmPort, VmPorts, VmStats } from '../protocol/usage.ts';
import type { Vm, VmShape, VmWorkspace } from '../protocol/vm.ts';
import {
  type GuardOf,
  isNumber,
  isRecord,
  isText,
  isTruth,
  listOf,
  oneOf,
  optional,
  shapeOf,
} from './guards.ts';

// What every answer of the daemon is checked against before it is used. Enough to rely on the types, without a schema library: zod costs a
// third of the whole command line's start-up. Words that a newer daemon may add to (states, accelerators, architectures) pass as any text:
// a list with one VM in an unknown state is still a list.

const isShape = shapeOf<VmShape>({
  vcpuCount: isNumber,
  memoryMib: isNumber,
  diskSizeBytes: isNumber,
  systemOverlaySizeBytes: isNumber,
});

/** A VM. */
export const isVm: GuardOf<Vm> = shapeOf<Vm>({
  id: isText,
  name: isText,
  state: isText,
  image: isText,
  shape: isShape,
  nat: isTruth,
  ephemeral: isTruth,
  workspace: optional(
    shapeOf<VmWorkspace>({
      guestPath: isText,
      sourcePath: isText,
      headCommit: optional(isText),
      hostHeadCommit: optional(isText),
    }),
  ),
  runtime: optional(
    shapeOf<NonNullable<Vm['runtime']>>({
      vmm: isText,
      accelerator: isText,
      pid: isNumber,
      startedAt: isText,
    }),
  ),
  lastError: optional(shapeOf<NonNullable<Vm['lastError']>>({ code: isText, message: isText })),
  createdAt: isText,
  updatedAt: isText,
});

/** Answer of `GET /v1/vms/REF/stat`. */
export const isGuestPath: GuardOf<GuestPath> = shapeOf<GuestPath>({ kind: isText, sizeBytes: isNumber });

/** Answer of `PUT /v1/vms/REF/files`. */
export const isUnpacked: GuardOf<Unpacked> = shapeOf<Unpacked>({ entries: isNumber, bytes: isNumber });

const isVmName = shapeOf<VmPorts['vm']>({ id: isText, name: isText });

/** Answer of `GET /v1/vms/REF/ports`. */
export const isVmPorts: GuardOf<VmPorts> = shapeOf<VmPorts>({
  vm: isVmName,
  ports: listOf(
    shapeOf<VmPort>({
      proto: isText,
      port: isNumber,
      addresses: listOf(isText),
      endpoint: isText,
      pid: optional(isNumber),
      process: optional(isText),
      url: optional(isText),
    }),
  ),
});

const isGuestSample = shapeOf<NonNullable<StatsSample['guest']>>({
  cpu: shapeOf<GuestStats['cpu']>({ count: isNumber, busyMs: isNumber, totalMs: isNumber, load1: isNumber }),
  cpuPercent: optional(isNumber),
  memory: shapeOf<GuestStats['memory']>({ totalBytes: isNumber, availableBytes: isNumber }),
  disks: listOf(
    shapeOf<GuestStats['disks'][number]>({ mount: isText, totalBytes: isNumber, usedBytes: isNumber }),
  ),
  network: optional(
    shapeOf<NonNullable<GuestStats['network']>>({ receivedBytes: isNumber, sentBytes: isNumber }),
  ),
});

const isSample = shapeOf<StatsSample>({
  at: isText,
  guest: optional(isGuestSample),
  host: shapeOf<HostUsage>({ vmmMemoryBytes: isNumber, vmmCpuMs: isNumber, driveBytes: isNumber }),
});

/** Answer of `GET /v1/vms/REF/stats`. */
export const isVmStats: GuardOf<VmStats> = shapeOf<VmStats>({
  vm: isVmName,
  now: isSample,
  history: listOf(isSample),
});

/** Answer of `GET /v1/vms`. */
export const isVmList: GuardOf<{ vms: Vm[] }> = shapeOf<{ vms: Vm[] }>({ vms: listOf(isVm) });

/** An image. */
export const isImage: GuardOf<Image> = shapeOf<Image>({
  name: isText,
  id: isText,
  arch: isText,
  distro: isText,
  kernel: isText,
  sizeBytes: isNumber,
  diskBytes: isNumber,
  createdAt: isText,
  usedBy: listOf(isText),
});

/** Answer of `GET /v1/images`. */
export const isImageList: GuardOf<{ images: Image[] }> = shapeOf<{ images: Image[] }>({
  images: listOf(isImage),
});

/** Answer of `GET /v1/kernels`. */
export const isKernelList: GuardOf<{ kernels: Kernel[] }> = shapeOf<{ kernels: Kernel[] }>({
  kernels: listOf(
    shapeOf<Kernel>({
      name: isText,
      release: isText,
      arch: isText,
      diskBytes: isNumber,
      createdAt: isText,
    }),
  ),
});

/** Result of a fork. */
export const isForkedVms: GuardOf<ForkedVms> = shapeOf<ForkedVms>({ vms: listOf(isVm), pausedMs: isNumber });

/** A snapshot. */
export const isSnapshot: GuardOf<Snapshot> = shapeOf<Snapshot>({
  tag: isText,
  shape: isShape,
  diskBytes: isNumber,
  createdAt: isText,
});

/** Answer of `GET /v1/vms/REF/snapshots`. */
export const isSnapshotList: GuardOf<{ snapshots: Snapshot[] }> = shapeOf<{ snapshots: Snapshot[] }>({
  snapshots: listOf(isSnapshot),
});

/** A warm template. */
export const isTemplate: GuardOf<Template> = shapeOf<Template>({
  key: isText,
  image: isText,
  kernel: isText,
  shape: isShape,
  vmm: isText,
  diskBytes: isNumber,
  createdAt: isText,
  lastUsedAt: isText,
});

/** Answer of `GET /v1/templates`. */
export const isTemplateList: GuardOf<{ templates: Template[] }> = shapeOf<{ templates: Template[] }>({
  templates: listOf(isTemplate),
});

/** Answer of `POST /v1/templates/prune`. */
export const isPruned: GuardOf<{ keys: string[] }> = shapeOf<{ keys: string[] }>({ keys: listOf(isText) });

const isCheck = shapeOf<DoctorCheck>({
  name: isText,
  status: oneOf('pass', 'warn', 'fail'),
  message: isText,
  fix: optional(isText),
  details: optional(listOf(isText)),
});

/** Answer of `GET /v1/doctor`. */
export const isDoctorReport: GuardOf<{ checks: DoctorCheck[] }> = shapeOf<{ checks: DoctorCheck[] }>({
  checks: listOf(isCheck),
});

/** Answer of `GET /v1/vms/REF/ssh`. */
export const isSshAccess: GuardOf<SshAccess> = shapeOf<SshAccess>({
  vm: isVmName,
  user: isText,
  port: isNumber,
  identityFile: isText,
  knownHostsFile: isText,
  hostKeyAlias: isText,
});

/** Answer of `POST /v1/doctor/fix`. */
export const isDoctorFix: GuardOf<DoctorFix> = shapeOf<DoctorFix>({
  checks: listOf(isCheck),
  fixed: listOf(isText),
});

/** Answer of `GET /v1/daemon`. */
export const isDaemonStatus: GuardOf<DaemonStatus> = shapeOf<DaemonStatus>({
  pid: isNumber,
  version: isText,
  build: isText,
  socketPath: isText,
  logPath: isText,
  startedAt: isText,
  runningVmCount: isNumber,
  standbyVmId: optional(isText),
  activeRequestCount: isNumber,
  idleExitInMs: optional(isNumber),
  rssBytes: isNumber,
  memory: optional(
    shapeOf<NonNullable<DaemonStatus['memory']>>({
      heapUsedBytes: isNumber,
      heapTotalBytes: isNumber,
      externalBytes: isNumber,
    }),
  ),
});

const summaryFields = {
  repoRoot: isText,
  repoName: isText,
  headCommit: optional(isText),
  branch: optional(isText),
  trackedCount: isNumber,
  untrackedCount: isNumber,
  historyDepth: optional(isNumber),
  tooling: optional(shapeOf<WorkspaceTooling>({ files: listOf(isText), pins: listOf(isText) })),
  files: optional(listOf(isText)),
};

/** Answer of `POST /v1/workspaces/inspect`. */
export const isWorkspaceSummary: GuardOf<WorkspaceSummary> = shapeOf<WorkspaceSummary>(summaryFields);

/** Result of `POST /v1/workspaces/pack`. */
export const isPackedWorkspace: GuardOf<PackedWorkspace> = shapeOf<PackedWorkspace>({
  packId: isText,
  summary: isWorkspaceSummary,
});

/** Result of `POST /v1/vms/REF/workspace`. */
export const isPreparedWorkspace: GuardOf<PreparedWorkspace> = shapeOf<PreparedWorkspace>({
  ...summaryFields,
  guestPath: isText,
  bytes: isNumber,
});

/** Body of a failed answer. */
export const isErrorBody: GuardOf<ErrorBody> = shapeOf<ErrorBody>({
  code: isText,
  message: isText,
  hint: optional(isText),
  details: optional(isRecord),
  causes: optional(listOf(isText)),
});

/** An operation. */
export const isOperation: GuardOf<Operation> = shapeOf<Operation>({
  id: isText,
  kind: isText,
  target: optional(isText),
  state: isText,
  stage: optional(isText),
  detail: optional(isText),
  isDetached: isTruth,
  isCancellable: isTruth,
  startedAt: isText,
  endedAt: optional(isText),
  error: optional(isErrorBody),
});

/** Answer of `GET /v1/operations`. */
export const isOperationList: GuardOf<{ operations: Operation[] }> = shapeOf<{ operations: Operation[] }>({
  operations: listOf(isOperation),
});

type Step = OperationEvent | ProgressEvent | NoticeEvent | SpecEvent;

/** The events that may come before the last line of long work. */
export const isStep: GuardOf<Step> = (value): value is Step =>
  isBegun(value) || isProgress(value) || isNotice(value) || isSpec(value);

const isBegun = shapeOf<OperationEvent>({ event: oneOf('operation'), id: isText });

const isProgress = shapeOf<ProgressEvent>({
  event: oneOf('progress'),
  stage: isText,
  detail: optional(isText),
  elapsedMs: isNumber,
});

const isNotice = shapeOf<NoticeEvent>({ event: oneOf('notice'), message: isText });

const isSpec = shapeOf<SpecEvent>({ event: oneOf('spec'), name: isText, image: isText, shape: isShape });
