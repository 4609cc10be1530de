import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type {
  ExecQuery,
  GuestPathQuery,
  GuestPortQuery,
  LogsQuery,
  ReadFilesQuery,
} from '../../protocol/api/guest-queries.ts';
import { type SshAccess, sshAccess } from '../../protocol/api/vm-requests.ts';
import { EXEC_UPGRADE, TCP_UPGRADE } from '../../protocol/api.ts';
import { type ExecStart, type GuestPath, guestPath, type Unpacked, unpacked } from '../../protocol/guest.ts';
import {
  type VmNetworkState,
  type VmPorts,
  type VmStats,
  vmNetworkState,
  vmPorts,
  vmStats,
} from '../../protocol/usage.ts';
import { type ExecSession, startExec } from '../exec-session.ts';
import { flag, vmPath, withQuery } from '../paths.ts';
import { callWithContent } from '../transport.ts';
import type { Caller } from './caller.ts';

/** How long a command may run. */
export interface TimeLimited extends Abortable {
  timeoutMs?: number | undefined;
}

/** Commands, files, ports, usage and logs of a VM. */
export interface GuestCalls {
  /**
   * Starts a command in the guest. Disposing of the session kills it if it still runs. After `timeoutMs` the
   * guest ends it and all its descendants.
   *
   * @throws {AppError} GUEST_GENERATION when the agent of the guest is too old for `timeoutMs`.
   */
  exec(ref: string, start: ExecStart, options: TimeLimited): Promise<ExecSession>;
  /** The raw stream of exec frames (`docs/agent-protocol.md`); the caller writes the `start` frame. */
  execStream(ref: string, options: TimeLimited): Promise<Duplex>;
  /**
   * Connects to a TCP port on the guest's loopback addresses. Ending the stream ends the port's input. When
   * the port's output ends, the stream ends too; with `allowHalfOpen`, as with `net.connect`, you may write
   * until you end it.
   */
  openPort(ref: string, port: number, options: Abortable & { allowHalfOpen?: boolean }): Promise<Duplex>;
  /** What OpenSSH needs to log in to the guest, through {@link openPort}. */
  sshAccess(ref: string, options: Abortable): Promise<SshAccess>;

  /** What is at an absolute path in the guest; follows symlinks. */
  statInGuest(ref: string, guestPath: string, options: Abortable): Promise<GuestPath>;
  /**
   * A file or directory of the guest as a tar archive; with `as` it is one entry of that name. With
   * `marksHoles`, sparse files are marked in a way that `base/tar` reads and other programs warn about.
   */
  readFromGuest(
    ref: string,
    guestPath: string,
    options: Abortable & { as?: string; marksHoles?: boolean },
  ): AsyncGenerator<Buffer, void, undefined>;
  /** Unpacks a tar archive in a directory of the guest. After a failure, the files unpacked so far stay. */
  writeToGuest(
    ref: string,
    guestPath: string,
    options: Abortable & { tar: AsyncIterable<Buffer> },
  ): Promise<Unpacked>;

  /** The ports that programs in the guest listen on; for web servers, also the URL. */
  vmPorts(ref: string, options: Abortable): Promise<VmPorts>;
  /** What the VM uses, in the guest and on the host, now and in the last minutes. */
  vmStats(ref: string, options: Abortable): Promise<VmStats>;
  /** The network of a VM's guest. @throws {AppError} VM_NOT_FOUND, NETWORK_LOST */
  vmNetwork(ref: string, options: Abortable): Promise<VmNetworkState>;
  /** The guest's console or the VMM's own output; with `isFollowed` it continues until an abort. */
  vmLogs(
    ref: string,
    options: Abortable & { kind: 'console' | 'vmm'; isFollowed?: boolean },
  ): AsyncGenerator<Buffer, void, undefined>;
}

/** {@link GuestCalls} over one transport. */
export function guestCalls(caller: Caller): GuestCalls {
  const execStream: GuestCalls['execStream'] = async (ref, { timeoutMs, signal }) =>
    await caller.upgrade(withQuery<ExecQuery>(vmPath(ref, 'exec'), { timeoutMs }), EXEC_UPGRADE, { signal });
  return {
    exec: async (ref, start, options) =>
      startExec(await execStream(ref, options), start, { ...options, ref }),
    execStream,
    async openPort(ref, port, { allowHalfOpen = false, signal }) {
      const path = withQuery<GuestPortQuery>(vmPath(ref, 'tcp'), { port });
      const stream = await caller.upgrade(path, TCP_UPGRADE, { signal });
      stream.allowHalfOpen = allowHalfOpen;
      return stream;
    },
    sshAccess: async (ref, options) => await caller.get(vmPath(ref, 'ssh'), sshAccess, options),

    statInGuest: async (ref, path, options) =>
      await caller.get(withQuery<GuestPathQuery>(vmPath(ref, 'stat'), { path }), guestPath, options),
    readFromGuest: (ref, path, { as, marksHoles, signal }) => {
      const query = { path, as, sparse: flag(marksHoles) };
      return caller.bytes(withQuery<ReadFilesQuery>(vmPath(ref, 'files'), query), { signal });
    },
    writeToGuest: (ref, path, { tar, signal }) =>
      callWithContent(caller.transport, {
        method: 'PUT',
        path: withQuery<GuestPathQuery>(vmPath(ref, 'files'), { path }),
        content: tar,
        signal,
        answer: unpacked,
      }),

    vmPorts: async (ref, options) => await caller.get(vmPath(ref, 'ports'), vmPorts, options),
    vmNetwork: async (ref, options) => await caller.get(vmPath(ref, 'network'), vmNetworkState, options),
    vmStats: async (ref, options) => await caller.get(vmPath(ref, 'stats'), vmStats, options),
    vmLogs: (ref, { kind, isFollowed, signal }) =>
      caller.bytes(withQuery<LogsQuery>(vmPath(ref, 'logs'), { kind, follow: flag(isFollowed) }), { signal }),
  };
}
