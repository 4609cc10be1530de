import type { Duplex } from 'node:stream';
import type { Abortable } from '../base/abort.ts';
import {
  type BuildImageRequest,
  type CreateSnapshotRequest,
  type CreateVmRequest,
  type DaemonStatus,
  type DoctorCheck,
  type DoctorFix,
  EXEC_UPGRADE,
  type ForkedVms,
  type ForkVmRequest,
  type Image,
  type InspectWorkspaceRequest,
  type Kernel,
  type KillVmRequest,
  type Operation,
  type PackedWorkspace,
  type PreparedWorkspace,
  type PrepareWorkspaceRequest,
  type PruneTemplatesRequest,
  type SetVmRequest,
  type Snapshot,
  type SshAccess,
  type StartVmRequest,
  TCP_UPGRADE,
  type Template,
  type WaitForVmRequest,
  type WorkspaceChoice,
  type WorkspaceSummary,
} from '../protocol/api.ts';
import type { ExecStart, GuestPath, Unpacked } from '../protocol/guest.ts';
import type { VmPorts, VmStats } from '../protocol/usage.ts';
import type { Vm } from '../protocol/vm.ts';
import * as answers from './answers.ts';
import { type ExecSession, startExec } from './exec-session.ts';
import { type Lease, leaseVm, leaseWork, type VmLease } from './lease.ts';
import { imagePath, operationPath, snapshotPath, templatePath, vmPath } from './paths.ts';
import { callForBytes, callForJson, callForUpgrade, callWithContent, type Transport } from './transport.ts';
import { openWork, type Work, type WorkNews } from './work.ts';

/** How {@link createClient} reaches the daemon. */
export type ClientOptions = Transport;

/**
 * The daemon's API, typed. `ref` is a VM's id, a unique prefix of it, or its name. Every call may fail with the daemon's own error, and
 * with DAEMON_UNREACHABLE (nothing listens), DAEMON_LOST (it went away meanwhile), DAEMON_PROTOCOL (it answers what it must not). An
 * aborted call rejects with the signal's reason.
 */
export interface BangerClient {
  daemonStatus(options: Abortable): Promise<DaemonStatus>;
  /** Asks the daemon to drain and exit; returns before it has. VMs keep running. */
  stopDaemon(options: Abortable): Promise<void>;
  /** Checks the host; read-only. */
  doctor(options: Abortable): Promise<DoctorCheck[]>;
  /** Reads all templates and snapshots and compares them with their checksums; damaged templates are set aside. */
  checkSaved(options: Abortable): Work<{ checks: DoctorCheck[] }>;
  /** Removes what is orphaned and provably of banger, and checks the host then. */
  fixHost(options: Abortable): Promise<DoctorFix>;

  /** Running VMs, or all with `isAll`. */
  listVms(options: Abortable & { isAll?: boolean }): Promise<Vm[]>;
  /** One VM; `withHost` also looks at what its workspace is a copy of. */
  showVm(ref: string, options: Abortable & { withHost?: boolean }): Promise<Vm>;
  /** Makes a VM and starts it. Cancelled: nothing is left. With `isDetached` hanging up does not cancel it. */
  createVm(
    request: Omit<CreateVmRequest, 'ephemeral'>,
    options: Abortable & { isDetached?: boolean },
  ): Work<Vm>;
  /** Makes a VM that lives until the lease is disposed of, or this process dies. Cancelled: nothing is left. */
  leaseVm(request: Omit<CreateVmRequest, 'ephemeral'>, options: Abortable & OnNews): Promise<VmLease>;
  startVm(ref: string, options: StartVmRequest & Abortable): Work<Vm>;
  stopVm(ref: string, options: Abortable): Work<Vm>;
  /** Memory and devices go to disk; starting it resumes it. */
  suspendVm(ref: string, options: Abortable): Work<Vm>;
  /** Copies a running VM, memory and all. Cancelled: nothing is left. */
  forkVm(ref: string, request: Omit<ForkVmRequest, 'ephemeral'>, options: Abortable): Work<ForkedVms>;
  /** Copies that live until the lease is disposed of, or this process dies. */
  leaseForks(
    ref: string,
    request: Omit<ForkVmRequest, 'ephemeral'>,
    options: Abortable & OnNews,
  ): Promise<Lease<ForkedVms>>;
  /** Stops the VM, and starts it: a new boot. */
  restartVm(ref: string, options: Abortable): Work<Vm>;
  /** Ends the VM without asking its guest to power off; a sync comes first when the guest answers. */
  killVm(ref: string, request: KillVmRequest, options: Abortable): Work<Vm>;
  /** Changes the shape of a VM that does not run, or its NAT, also of one that runs. */
  setVm(ref: string, request: SetVmRequest, options: Abortable): Work<Vm>;
  renameVm(ref: string, name: string, options: Abortable): Work<Vm>;
  /** Waits until the VM is as wanted; when it was to be deleted, the result is the VM as it last was. */
  waitForVm(ref: string, request: WaitForVmRequest, options: Abortable): Work<Vm>;
  /** Stops the VM and removes its drives; the result is the VM as it last was. With `onlyResting` one that runs is refused. */
  deleteVm(ref: string, options: Abortable & { onlyResting?: boolean }): Work<Vm>;
  /** The guest's console or the VMM's own output; `isFollowed` goes on until the signal aborts. */
  vmLogs(
    ref: string,
    options: Abortable & { kind: 'console' | 'vmm'; isFollowed?: boolean },
  ): AsyncGenerator<Buffer, void, undefined>;

  /** What the guest listens on; web servers with their URL. */
  vmPorts(ref: string, options: Abortable): Promise<VmPorts>;
  /** What the VM uses, in the guest and on the host, now and in the last minutes. */
  vmStats(ref: string, options: Abortable): Promise<VmStats>;

  /** What an absolute path means in the guest, through symlinks. */
  statInGuest(ref: string, guestPath: string, options: Abortable): Promise<GuestPath>;
  /** A file or directory of the guest as a tar archive; with `as` it is one entry of that name. */
  readFromGuest(
    ref: string,
    guestPath: string,
    options: Abortable & { as?: string },
  ): AsyncGenerator<Buffer, void, undefined>;
  /** Unpacks a tar archive in a directory of the guest. What was unpacked before a failure stays. */
  writeToGuest(
    ref: string,
    guestPath: string,
    options: Abortable & { tar: AsyncIterable<Buffer> },
  ): Promise<Unpacked>;

  /** What `prepareWorkspace` would send; touches no VM. */
  inspectWorkspace(request: InspectWorkspaceRequest, options: Abortable): Promise<WorkspaceSummary>;
  /** Begins to pack a working tree, before there is a VM for it; it lasts until the lease is disposed of, or this process dies. */
  packWorkspace(request: WorkspaceChoice, options: Abortable): Promise<Lease<PackedWorkspace>>;
  /** Copies a git working tree into the guest. */
  prepareWorkspace(
    ref: string,
    request: PrepareWorkspaceRequest,
    options: Abortable,
  ): Work<PreparedWorkspace>;
  /** Starts a command in the guest. It is killed when the session is disposed of before it ended. */
  exec(ref: string, start: ExecStart, options: Abortable): Promise<ExecSession>;
  /** The raw stream of exec frames (`docs/agent-protocol.md`); the caller writes the `start` frame. */
  execStream(ref: string, options: Abortable): Promise<Duplex>;
  /**
   * Connects to a TCP port on the guest's loopback addresses. Ending the stream ends the port's input; the port's end of output ends it.
   */
  openPort(ref: string, port: number, options: Abortable): Promise<Duplex>;
  /** What OpenSSH needs to log in to the guest, through {@link openPort}. */
  sshAccess(ref: string, options: Abortable): Promise<SshAccess>;

  listImages(options: Abortable): Promise<Image[]>;
  showImage(name: string, options: Abortable): Promise<Image>;
  buildImage(name: string, request: BuildImageRequest, options: Abortable): Work<Image>;
  deleteImage(name: string, options: Abortable): Promise<void>;
  listKernels(options: Abortable): Promise<Kernel[]>;

  /** Long work under way, of any client; with `isAll` also what ended lately. */
  listOperations(options: Abortable & { isAll?: boolean }): Promise<Operation[]>;
  /** The events of an operation from its first on, whoever began it; hanging up does nothing to it. */
  followOperation(id: string, options: Abortable): Work<unknown>;
  /** Cancels an operation, and waits until what it began is undone. */
  cancelOperation(id: string, options: Abortable): Promise<Operation>;

  /** Snapshots of a VM, oldest first. */
  listSnapshots(ref: string, options: Abortable): Promise<Snapshot[]>;
  /** Keeps a running VM as it is now, memory and drives. Cancelled: nothing is left. */
  createSnapshot(ref: string, request: CreateSnapshotRequest, options: Abortable): Work<Snapshot>;
  /** Puts a VM back to a snapshot; what it is now is given up. */
  restoreSnapshot(ref: string, tag: string, options: Abortable): Work<Vm>;
  deleteSnapshot(ref: string, tag: string, options: Abortable): Promise<void>;

  /** Warm templates, the one that was used last first. */
  listTemplates(options: Abortable): Promise<Template[]>;
  /** `key` may be a unique prefix. */
  showTemplate(key: string, options: Abortable): Promise<Template>;
  deleteTemplate(key: string, options: Abortable): Promise<void>;
  /** Deletes what is beyond the disk budget, or `all`; gives the keys that are gone. */
  pruneTemplates(request: PruneTemplatesRequest, options: Abortable): Promise<string[]>;
}

/** Where a call tells how far it is. */
export interface OnNews {
  onNews?: (news: WorkNews) => void;
}

/**
 * Makes a client. Nothing is connected until a call is made; each call has a connection of its own, so there is nothing to close.
 *
 *     const client = createClient({ socketPath });
 *     await using lease = await client.leaseVm({ vcpuCount: 2 }, { signal });
 *     using session = await client.exec(lease.vm.id, { argv: ['uname', '-a'] }, { signal });
 *     const { stdout, exit } = await session.collect();
 */
export function createClient(transport: ClientOptions): BangerClient {
  const vmWork = (
    method: 'POST' | 'DELETE',
    path: string,
    { signal, body }: Abortable & { body?: unknown },
  ): Work<Vm> => openWork(transport, { method, path, body, signal, isResult: answers.isVm });
  const execStream = (ref: string, { signal }: Abortable): Promise<Duplex> =>
    callForUpgrade(transport, { method: 'POST', path: vmPath(ref, 'exec'), upgrade: EXEC_UPGRADE, signal });
  const get = <T>(
    path: string,
    isAnswer: (value: unknown) => value is T,
    { signal }: Abortable,
  ): Promise<T> => callForJson(transport, { method: 'GET', path, signal, isAnswer });
  const isAnything = (value: unknown): value is unknown => value !== undefined;

  return {
    daemonStatus: (options) => get('/daemon', answers.isDaemonStatus, options),
    async stopDaemon({ signal }) {
      await callForJson(transport, { method: 'POST', path: '/daemon/stop', signal, isAnswer: isAnything });
    },
    doctor: async (options) => (await get('/doctor', answers.isDoctorReport, options)).checks,
    checkSaved: ({ signal }) =>
      openWork(transport, {
        method: 'POST',
        path: '/doctor/deep',
        signal,
        isResult: answers.isDoctorReport,
      }),
    fixHost: ({ signal }) =>
      callForJson(transport, { method: 'POST', path: '/doctor/fix', signal, isAnswer: answers.isDoctorFix }),

    listVms: async ({ isAll, signal }) =>
      (await get(isAll ? '/vms?all=1' : '/vms', answers.isVmList, { signal })).vms,
    createVm: (body, { signal, isDetached }) =>
      vmWork('POST', isDetached ? '/vms?detach=1' : '/vms', { body, signal }),
    showVm: (ref, { withHost, signal }) =>
      get(`${vmPath(ref)}${withHost ? '?host=1' : ''}`, answers.isVm, { signal }),
    leaseVm: (body, options) => leaseVm(transport, body, options),
    startVm: (ref, { signal, ...body }) => vmWork('POST', vmPath(ref, 'start'), { signal, body }),
    stopVm: (ref, options) => vmWork('POST', vmPath(ref, 'stop'), options),
    suspendVm: (ref, options) => vmWork('POST', vmPath(ref, 'suspend'), options),
    forkVm: (ref, body, { signal }) =>
      openWork(transport, {
        method: 'POST',
        path: vmPath(ref, 'fork'),
        body,
        signal,
        isResult: answers.isForkedVms,
      }),
    leaseForks: (ref, body, options) =>
      leaseWork(
        transport,
        { path: vmPath(ref, 'fork'), body: { ...body, ephemeral: true }, isResult: answers.isForkedVms },
        options,
      ),
    restartVm: (ref, options) => vmWork('POST', vmPath(ref, 'restart'), options),
    killVm: (ref, body, { signal }) => vmWork('POST', vmPath(ref, 'kill'), { body, signal }),
    setVm: (ref, body, { signal }) => vmWork('POST', vmPath(ref, 'set'), { body, signal }),
    renameVm: (ref, name, { signal }) => vmWork('POST', vmPath(ref, 'rename'), { body: { name }, signal }),
    waitForVm: (ref, body, { signal }) => vmWork('POST', vmPath(ref, 'wait'), { body, signal }),
    deleteVm: (ref, { signal, onlyResting }) =>
      vmWork('DELETE', onlyResting ? `${vmPath(ref)}?resting=1` : vmPath(ref), { signal }),
    vmLogs: (ref, { kind, isFollowed, signal }) =>
      callForBytes(transport, {
        method: 'GET',
        path: `${vmPath(ref, 'logs')}?kind=${kind}${isFollowed ? '&follow=1' : ''}`,
        signal,
      }),

    vmPorts: (ref, options) => get(vmPath(ref, 'ports'), answers.isVmPorts, options),
    vmStats: (ref, options) => get(vmPath(ref, 'stats'), answers.isVmStats, options),
    statInGuest: (ref, path, options) =>
      get(`${vmPath(ref, 'stat')}?${new URLSearchParams({ path })}`, answers.isGuestPath, options),
    readFromGuest: (ref, path, { as, signal }) =>
      callForBytes(transport, {
        method: 'GET',
        path: `${vmPath(ref, 'files')}?${new URLSearchParams({ path, ...(as === undefined ? {} : { as }) })}`,
        signal,
      }),
    writeToGuest: (ref, path, { tar, signal }) =>
      callWithContent(transport, {
        method: 'PUT',
        path: `${vmPath(ref, 'files')}?${new URLSearchParams({ path })}`,
        content: tar,
        signal,
        isAnswer: answers.isUnpacked,
      }),

    inspectWorkspace: (body, { signal }) =>
      callForJson(transport, {
        method: 'POST',
        path: '/workspaces/inspect',
        body,
        signal,
        isAnswer: answers.isWorkspaceSummary,
      }),
    packWorkspace: (body, options) =>
      leaseWork(transport, { path: '/workspaces/pack', body, isResult: answers.isPackedWorkspace }, options),
    prepareWorkspace: (ref, body, { signal }) =>
      openWork(transport, {
        method: 'POST',
        path: vmPath(ref, 'workspace'),
        body,
        signal,
        isResult: answers.isPreparedWorkspace,
      }),
    exec: async (ref, start, options) => startExec(await execStream(ref, options), start, options),
    execStream,
    openPort: (ref, port, { signal }) => {
      const path = `${vmPath(ref, 'tcp')}?port=${port}`;
      return callForUpgrade(transport, { method: 'POST', path, upgrade: TCP_UPGRADE, signal });
    },
    sshAccess: (ref, options) => get(vmPath(ref, 'ssh'), answers.isSshAccess, options),

    listImages: async (options) => (await get('/images', answers.isImageList, options)).images,
    showImage: (name, options) => get(imagePath(name), answers.isImage, options),
    buildImage: (name, body, { signal }) =>
      openWork(transport, {
        method: 'POST',
        path: imagePath(name, 'build'),
        body,
        signal,
        isResult: answers.isImage,
      }),
    async deleteImage(name, { signal }) {
      await callForJson(transport, { method: 'DELETE', path: imagePath(name), signal, isAnswer: isAnything });
    },
    listKernels: async (options) => (await get('/kernels', answers.isKernelList, options)).kernels,

    listOperations: async ({ isAll, signal }) =>
      (await get(isAll ? '/operations?all=1' : '/operations', answers.isOperationList, { signal }))
        .operations,
    followOperation: (id, { signal }) =>
      openWork(transport, {
        method: 'GET',
        path: operationPath(id, 'events'),
        signal,
        isResult: isAnything,
      }),
    cancelOperation: (id, { signal }) =>
      callForJson(transport, {
        method: 'POST',
        path: operationPath(id, 'cancel'),
        signal,
        isAnswer: answers.isOperation,
      }),

    listSnapshots: async (ref, options) =>
      (await get(vmPath(ref, 'snapshots'), answers.isSnapshotList, options)).snapshots,
    createSnapshot: (ref, body, { signal }) =>
      openWork(transport, {
        method: 'POST',
        path: vmPath(ref, 'snapshots'),
        body,
        signal,
        isResult: answers.isSnapshot,
      }),
    restoreSnapshot: (ref, tag, options) => vmWork('POST', snapshotPath(ref, tag, 'restore'), options),
    async deleteSnapshot(ref, tag, { signal }) {
      const path = snapshotPath(ref, tag);
      await callForJson(transport, { method: 'DELETE', path, signal, isAnswer: isAnything });
    },

    listTemplates: async (options) => (await get('/templates', answers.isTemplateList, options)).templates,
    showTemplate: (key, options) => get(templatePath(key), answers.isTemplate, options),
    async deleteTemplate(key, { signal }) {
      await callForJson(transport, {
        method: 'DELETE',
        path: templatePath(key),
        signal,
        isAnswer: isAnything,
      });
    },
    async pruneTemplates(body, { signal }) {
      const path = '/templates/prune';
      const isAnswer = answers.isPruned;
      return (await callForJson(transport, { method: 'POST', path, body, signal, isAnswer })).keys;
    },
  };
}
