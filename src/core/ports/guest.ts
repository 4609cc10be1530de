import type { Duplex, Readable } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { AppError } from '../../base/errors.ts';
import type { GuestJob } from '../../protocol/api/jobs.ts';
import type {
  ExecExit,
  ExecStart,
  GuestHealth,
  GuestPath,
  GuestPort,
  GuestStats,
  Personalisation,
  Personalised,
  Synced,
  TrimRequest,
  Unpacked,
} from '../../protocol/guest.ts';

/**
 * Where a guest's agent is reached from the host:
 *
 * - `unix`: a Unix socket that is connected to the agent
 * - `vsock`: a Unix socket on which a VMM connects to a port of the guest's vsock when it is asked to
 */
export type GuestEndpoint = { kind: 'unix'; path: string } | { kind: 'vsock'; path: string; port: number };

/** How the host connects to an agent. */
export interface ConnectOptions extends Abortable {
  helloDeadlineMs: number;
  /**
   * the guest was restored from a capture, in which a link may have been open: the first hello is one that an
   * agent in the middle of a request recognises
   */
  isRestored?: boolean;
  /**
   * Called when the agent does not answer the hello, or stops answering: returns the error to fail with
   * instead of GUEST_UNREACHABLE, or to end the link with instead of GUEST_LOST.
   */
  whySilent?: () => AppError | undefined;
  /** The VM's name now, for hints; absent for a VM that users cannot name. */
  vmName?: () => string | undefined;
  /**
   * The VM's user now: who runs what names no user, and owns what is unpacked; absent: root.
   */
  vmUser?: () => string | undefined;
}

/** Opens links to guest agents. */
export interface GuestConnector {
  /**
   * Exchanges hellos with the agent and returns the link.
   *
   * @throws {AppError} GUEST_UNREACHABLE when nothing answers within `helloDeadlineMs`; GUEST_GENERATION when
   * the agent's protocol generation is out of the range that the host speaks. Nothing is left open after a
   * failure.
   */
  connect(endpoint: GuestEndpoint, options: ConnectOptions): Promise<GuestAgent>;
}

/**
 * A live link to one guest's agent (`docs/agent-protocol.md`). Calls fail with GUEST_LOST when the link ends,
 * GUEST_PROTOCOL when the guest's answer breaks the protocol, GUEST_BUSY when hundreds of commands, copies
 * and connections are open, and GUEST_FAILED (agent's code in `details.guestCode`) when the agent refuses.
 * Disposing closes the link and, unless {@link GuestAgent.detachCommands} is on, ends every command that runs
 * over it. Idempotent.
 */
export interface GuestAgent extends AsyncDisposable {
  /** settles when the link is gone, never rejects */
  readonly closed: Promise<void>;
  /** protocol generation of this link: the agent's own */
  readonly generation: number;
  health(options: Abortable): Promise<GuestHealth>;
  /** Waits until user commands may run. */
  ready(options: Abortable): Promise<GuestHealth>;
  /**
   * Opens a raw stream of exec frames; the caller writes the `start` frame. After `timeoutMs`, the agent ends
   * the command and all its descendants. Fails with GUEST_GENERATION when the agent cannot limit the time.
   */
  exec(options: Abortable & { timeoutMs?: number | undefined }): Promise<Duplex>;
  /**
   * Runs a command to its end and collects its output; with `onOutput`, passes on each part of the output
   * as it comes instead.
   */
  run(
    spec: ExecStart,
    options: Abortable & {
      input?: Readable | Buffer;
      maxOutputBytes?: number;
      onOutput?: (chunk: Buffer) => void;
    },
  ): Promise<{ exit: ExecExit; stdout: Buffer; stderr: Buffer }>;
  /**
   * Unpacks a tar stream under `guestPath`; files unpacked before a failure stay. They belong to the user of
   * the VM, unless `owner` says otherwise.
   */
  putTar(
    guestPath: string,
    tar: Readable,
    options: Abortable & { owner?: 'root' | 'archive' },
  ): Promise<Unpacked>;
  /**
   * Packs what is at `guestPath`, through a symlink too: a file as one entry, a directory as its content,
   * with `as` both as one entry of that name. With `marksHoles`, sparse files are marked as `base/tar` reads
   * it. The stream fails when the archive is not whole.
   */
  getTar(guestPath: string, options: Abortable & { as?: string; marksHoles?: boolean }): Promise<Readable>;
  /** What is at a path, following symlinks; fails with `not_found` when nothing is there. */
  stat(guestPath: string, options: Abortable): Promise<GuestPath>;
  /**
   * Applies the given settings in the protocol's order; stops at the first step that fails and names it in
   * `details.step`.
   */
  personalise(personalisation: Personalisation, options: Abortable): Promise<Personalised>;
  /**
   * While this is on, commands outlive this link: when the link is lost they keep running without input, like
   * the background processes of a command, and the agent discards their output. A terminal stays open. Each
   * new link starts with it off. Cancelling a single command still ends that command.
   */
  detachCommands(isOn: boolean, options: Abortable): Promise<void>;
  /**
   * Starts a command that no link is connected to: it outlives this one, and the guest keeps the newest part
   * of its output. This and the next ones fail with GUEST_GENERATION when the agent has no jobs.
   */
  startJob(
    start: Omit<ExecStart, 'pty'>,
    options: Abortable & { timeoutMs?: number | undefined },
  ): Promise<GuestJob>;
  jobs(options: Abortable): Promise<GuestJob[]>;
  /** The frames of a job's output after a position, as `protocol/api/job-output.ts` reads them. */
  jobOutput(id: string, options: Abortable & { after: number; isFollowed: boolean }): Promise<Readable>;
  /** Ends a job with all its descendants, and returns when they have ended. */
  endJob(id: string, options: Abortable): Promise<GuestJob>;
  /** Sends a signal to the process group of a job. */
  signalJob(id: string, name: string, options: Abortable): Promise<GuestJob>;
  ports(options: Abortable): Promise<GuestPort[]>;
  /**
   * Yields the TCP ports on which something listens, at any address, now and after each change, until
   * `signal` aborts or the link ends. With an agent that cannot watch, it yields once and ends.
   */
  watchPorts(options: Abortable): AsyncIterable<ReadonlySet<number>>;
  /**
   * Connects to a TCP port of the guest. Each direction ends by itself, and the stream closes when both have
   * ended. It also closes after the port's output when the port can take no more input; agents of earlier
   * versions end a connection so. A connection that breaks is an error of the stream.
   */
  tcp(port: number, options: Abortable): Promise<Duplex>;
  /**
   * Listens on a port of the guest's 127.0.0.1 until `signal` aborts or the link ends. Yields a number for
   * each connection, which {@link GuestAgent.exposed} takes within some seconds.
   */
  expose(port: number, options: Abortable): AsyncIterable<number>;
  /** Takes a connection of {@link GuestAgent.expose}; as {@link GuestAgent.tcp}. */
  exposed(connection: number, options: Abortable): Promise<Duplex>;
  stats(options: Abortable): Promise<GuestStats>;
  /**
   * Writes the guest's unwritten data to its drives. With `trim`, the guest then discards the blocks that its
   * file systems do not use; agents of earlier versions ignore that. Returns how many programs of its users
   * were running, when the agent can tell.
   */
  sync(options: Abortable & { trim?: TrimRequest | undefined }): Promise<Synced>;
  powerOff(options: Abortable): Promise<void>;
}
