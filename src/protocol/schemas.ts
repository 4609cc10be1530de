import { z } from 'zod';
import type {
  BuildImageRequest,
  CreateSnapshotRequest,
  CreateVmRequest,
  DaemonStatus,
  DoctorCheck,
  ForkedVms,
  ForkVmRequest,
  Image,
  InspectWorkspaceRequest,
  Kernel,
  KillVmRequest,
  Operation,
  PackedWorkspace,
  PreparedWorkspace,
  PrepareWorkspaceRequest,
  PruneTemplatesRequest,
  RenameVmRequest,
  SetVmRequest,
  Snapshot,
  SshAccess,
  StartVmRequest,
  Template,
  WaitForVmRequest,
  WorkspaceChoice,
  WorkspaceSummary,
} from './api.ts';
import { WORKSPACE_MODES } from './api.ts';
import type { ErrorBody } from './events.ts';
import type { GuestPath, Unpacked } from './guest.ts';
import type { VmPorts, VmStats } from './usage.ts';
import { VM_STATES, type Vm, type VmShape, WAIT_CONDITIONS } from './vm.ts';
import { VMM_SIGNALS } from './vmm-signal.ts';

// The API's bodies as schemas: requests are validated with them, and the OpenAPI document is made from them. The command line never loads this.

const count = z.int().nonnegative();
const bytes = z.int().nonnegative().describe('bytes');
const time = z.string().describe('RFC 3339, UTC');
const arch = z.enum(['amd64', 'arm64']);

/** Drops `undefined` from optional properties, as JSON cannot carry it. */
type Exact<T> = z.ZodType<{ [K in keyof T]: T[K] }, unknown>;

const shape = {
  vcpuCount: z.int(),
  memoryMib: z.int().describe('MiB'),
  diskSizeBytes: z.int().describe('bytes'),
  systemOverlaySizeBytes: z.int().describe('bytes'),
};
const vmShape: Exact<VmShape> = z.strictObject(shape);

/** Body of `POST /v1/vms`. */
export const createVmRequest = z.strictObject({
  name: z.string().exactOptional(),
  image: z.string().min(1).exactOptional(),
  vcpuCount: shape.vcpuCount.exactOptional(),
  memoryMib: shape.memoryMib.exactOptional(),
  diskSizeBytes: shape.diskSizeBytes.exactOptional(),
  systemOverlaySizeBytes: shape.systemOverlaySizeBytes.exactOptional(),
  nat: z.boolean().exactOptional(),
  noStart: z.boolean().exactOptional(),
  cold: z.boolean().exactOptional(),
  ephemeral: z.boolean().exactOptional(),
  keepFailed: z.boolean().exactOptional(),
}) satisfies Exact<CreateVmRequest>;

/** Body of `POST /v1/vms/REF/kill`. */
export const killVmRequest = z.strictObject({
  signal: z.enum(VMM_SIGNALS).exactOptional(),
}) satisfies Exact<KillVmRequest>;

/** Body of `POST /v1/vms/REF/set`. */
export const setVmRequest = z.strictObject({
  vcpuCount: shape.vcpuCount.exactOptional(),
  memoryMib: shape.memoryMib.exactOptional(),
  diskSizeBytes: shape.diskSizeBytes.exactOptional(),
  nat: z.boolean().exactOptional(),
}) satisfies Exact<SetVmRequest>;

/** Body of `POST /v1/vms/REF/rename`. */
export const renameVmRequest = z.strictObject({ name: z.string() }) satisfies Exact<RenameVmRequest>;

/** Longest wait, in `ms`: what a timer can hold. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Body of `POST /v1/vms/REF/wait`. */
export const waitForVmRequest = z.strictObject({
  until: z.enum(WAIT_CONDITIONS),
  timeoutMs: z.int().positive().max(MAX_TIMEOUT_MS).describe('ms').exactOptional(),
}) satisfies Exact<WaitForVmRequest>;

/** Body of `POST /v1/vms/REF/fork`. */
export const forkVmRequest = z.strictObject({
  names: z.array(z.string()).exactOptional(),
  count: z.int().exactOptional(),
  ephemeral: z.boolean().exactOptional(),
}) satisfies Exact<ForkVmRequest>;

/** Body of `POST /v1/vms/REF/start`. */
export const startVmRequest = z.strictObject({
  cold: z.boolean().exactOptional(),
  onlyResume: z.boolean().exactOptional(),
}) satisfies Exact<StartVmRequest>;

const absolutePath = z.string().regex(/^\/[^\0]*$/, 'must be an absolute path');
const workspaceChoice = {
  path: absolutePath,
  includeUntracked: z.boolean().exactOptional(),
  branch: z.string().exactOptional(),
  from: z.string().exactOptional(),
  mode: z.enum(WORKSPACE_MODES).exactOptional(),
};

/** Body of `POST /v1/workspaces/inspect`. */
export const inspectWorkspaceRequest = z.strictObject({
  ...workspaceChoice,
  withFiles: z.boolean().exactOptional(),
}) satisfies Exact<InspectWorkspaceRequest>;

/** Body of `POST /v1/vms/REF/workspace`. */
export const prepareWorkspaceRequest = z.strictObject({
  ...workspaceChoice,
  guestPath: absolutePath.exactOptional(),
  packId: z.string().exactOptional(),
}) satisfies Exact<PrepareWorkspaceRequest>;

/** Body of `POST /v1/workspaces/pack`. */
export const packWorkspaceRequest = z.strictObject(workspaceChoice) satisfies Exact<WorkspaceChoice>;

/** Body of `POST /v1/images/NAME/build`. */
export const buildImageRequest = z.strictObject({
  force: z.boolean().exactOptional(),
}) satisfies Exact<BuildImageRequest>;

/** A VM. */
export const vm: Exact<Vm> = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum(VM_STATES),
  image: z.string(),
  shape: vmShape,
  nat: z.boolean().describe('the guest may open connections to the outside'),
  ephemeral: z.boolean().describe('deleted when the client that made it goes away'),
  workspace: z
    .object({
      guestPath: z.string().describe('folder in the guest'),
      sourcePath: z.string().describe('the working tree on this host'),
      headCommit: z.string().exactOptional(),
      hostHeadCommit: z.string().exactOptional(),
    })
    .exactOptional(),
  runtime: z
    .object({ vmm: z.string(), accelerator: z.enum(['kvm', 'tcg']), pid: z.int(), startedAt: time })
    .exactOptional(),
  lastError: z.object({ code: z.string(), message: z.string() }).exactOptional(),
  createdAt: time,
  updatedAt: time,
});

/** An image. */
export const image: Exact<Image> = z.object({
  name: z.string(),
  id: z.string().describe('of its content'),
  arch,
  distro: z.string(),
  kernel: z.string(),
  sizeBytes: bytes.describe('bytes, as a guest sees it'),
  diskBytes: bytes.describe('bytes that it takes on this host'),
  createdAt: time,
  usedBy: z.array(z.string()).describe('names of VMs'),
});

/** Forks that were made. */
export const forkedVms: Exact<ForkedVms> = z.object({ vms: z.array(vm), pausedMs: z.number() });

/** Body of `POST /v1/vms/REF/snapshots`. */
export const createSnapshotRequest = z.strictObject({
  tag: z.string().exactOptional(),
}) satisfies Exact<CreateSnapshotRequest>;

/** A snapshot. */
export const snapshot: Exact<Snapshot> = z.object({
  tag: z.string(),
  shape: vmShape,
  diskBytes: bytes,
  createdAt: time,
});

/** A warm template. */
export const template: Exact<Template> = z.object({
  key: z.string(),
  image: z.string(),
  kernel: z.string(),
  shape: vmShape,
  vmm: z.string(),
  diskBytes: bytes,
  createdAt: time,
  lastUsedAt: time,
});

/** Body of `POST /v1/templates/prune`. */
export const pruneTemplatesRequest = z.strictObject({
  all: z.boolean().exactOptional(),
}) satisfies Exact<PruneTemplatesRequest>;

/** A kernel. */
export const kernel: Exact<Kernel> = z.object({
  name: z.string(),
  release: z.string(),
  arch,
  diskBytes: bytes,
  createdAt: time,
});

const summary = {
  repoRoot: z.string().describe('top of the working tree'),
  repoName: z.string(),
  headCommit: z.string().describe('absent on a branch without commits').exactOptional(),
  branch: z.string().describe('absent when HEAD is detached').exactOptional(),
  trackedCount: count,
  untrackedCount: count,
  historyDepth: count.describe('of the history that was sent, when all of it was too much').exactOptional(),
  tooling: z.object({ files: z.array(z.string()), pins: z.array(z.string()) }).exactOptional(),
  files: z.array(z.string()).exactOptional(),
};
/** Answer of `POST /v1/workspaces/inspect`. */
export const workspaceSummary: Exact<WorkspaceSummary> = z.object(summary);
/** Result of `POST /v1/workspaces/pack`. */
export const packedWorkspace: Exact<PackedWorkspace> = z.object({
  packId: z.string(),
  summary: workspaceSummary,
});
/** Result of `POST /v1/vms/REF/workspace`. */
export const preparedWorkspace: Exact<PreparedWorkspace> = z.object({
  ...summary,
  guestPath: z.string(),
  bytes,
});

/** What a path in a guest means. */
export const guestPath: Exact<GuestPath> = z.object({
  kind: z.enum(['file', 'directory', 'other']),
  sizeBytes: bytes,
});

/** What unpacking in a guest came to. */
export const unpacked: Exact<Unpacked> = z.object({ entries: count, bytes });

const vmName = z.object({ id: z.string(), name: z.string() });

/** What a guest listens on. */
export const vmPorts: Exact<VmPorts> = z.object({
  vm: vmName,
  ports: z.array(
    z.object({
      proto: z.enum(['tcp', 'udp']),
      port: z.int(),
      addresses: z.array(z.string()),
      endpoint: z.string(),
      pid: z.int().exactOptional(),
      process: z.string().exactOptional(),
      url: z.string().exactOptional(),
    }),
  ),
});

const statsSample = z.object({
  at: time,
  guest: z
    .object({
      cpu: z.object({ count, busyMs: count, totalMs: count, load1: z.number() }),
      cpuPercent: z.number().describe('of all processors, since the sample before').exactOptional(),
      memory: z.object({ totalBytes: bytes, availableBytes: bytes }),
      disks: z.array(z.object({ mount: z.string(), totalBytes: bytes, usedBytes: bytes })),
      network: z
        .object({ receivedBytes: bytes, sentBytes: bytes })
        .describe('since the guest has its interface; absent without one')
        .exactOptional(),
    })
    .exactOptional(),
  host: z.object({ vmmMemoryBytes: bytes, vmmCpuMs: count, driveBytes: bytes }),
});

/** What a VM uses. */
export const vmStats: Exact<VmStats> = z.object({
  vm: vmName,
  now: statsSample,
  history: z.array(statsSample),
});

/** Answer of `GET /v1/vms/REF/ssh`. */
export const sshAccess: Exact<SshAccess> = z.object({
  vm: vmName,
  user: z.string(),
  port: z.int().describe("of the guest's loopback addresses"),
  identityFile: z.string().describe("private key on the daemon's host"),
  knownHostsFile: z.string().describe("has the guest's host key under hostKeyAlias, and nothing else"),
  hostKeyAlias: z.string(),
});

/** Answer of `GET /v1/daemon`. */
export const daemonStatus: Exact<DaemonStatus> = z.object({
  pid: z.int(),
  version: z.string(),
  build: z.string().describe('differs when two builds do'),
  socketPath: z.string(),
  logPath: z.string(),
  startedAt: time,
  runningVmCount: count,
  standbyVmId: z
    .string()
    .describe('a VM of nobody that waits for the next start; not counted')
    .exactOptional(),
  activeRequestCount: count,
  idleExitInMs: count.describe('ms until it ends by itself; absent while a VM runs').exactOptional(),
  rssBytes: bytes,
  memory: z
    .object({ heapUsedBytes: bytes, heapTotalBytes: bytes, externalBytes: bytes })
    .describe("the JavaScript heap's part of that, and what JavaScript objects hold outside of it")
    .exactOptional(),
});

/** One check of `GET /v1/doctor`. */
export const doctorCheck: Exact<DoctorCheck> = z.object({
  name: z.string(),
  status: z.enum(['pass', 'warn', 'fail']),
  message: z.string(),
  fix: z.string().describe('the next step').exactOptional(),
  details: z.array(z.string()).describe('the facts behind the message').exactOptional(),
});

/** Body of every failed answer. */
export const errorBody: Exact<ErrorBody> = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().exactOptional(),
  details: z.record(z.string(), z.unknown()).exactOptional(),
  causes: z.array(z.string()).exactOptional(),
});

/** An operation. */
export const operation: Exact<Operation> = z.object({
  id: z.string(),
  kind: z.string(),
  target: z.string().exactOptional(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  stage: z.string().exactOptional(),
  detail: z.string().exactOptional(),
  isDetached: z.boolean(),
  isCancellable: z.boolean(),
  startedAt: time,
  endedAt: time.exactOptional(),
  error: errorBody.exactOptional(),
});
