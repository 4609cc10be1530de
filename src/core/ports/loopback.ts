import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';

/** The loopback addresses of this host, which all its users and programs share. */
export interface AddressClaims {
  /**
   * Claims an address of 127.0.0.0/8 for this program until disposed of. Returns `undefined` when another
   * program that claims addresses has it. An address that this host cannot claim for another reason counts as
   * claimed, so that its VM works at least.
   */
  claim(address: string): Promise<Disposable | undefined>;
}

/** The two ends of a TCP connection on this host. */
export interface ConnectionEnds {
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
}

/** A TCP connection that a program of this host opened to one of our listeners. Nothing is read yet. */
export interface LocalConnection extends ConnectionEnds {
  /** stays writable when the other side has ended its output */
  stream: Duplex;
  /** Breaks the connection, so that the other side sees an error rather than an end. Idempotent. */
  reset(): void;
}

/** Listens on TCP ports of loopback addresses. */
export interface PortListeners {
  /** the lowest port that this program may listen on */
  readonly firstPort: number;
  /**
   * Listens until disposed of, which leaves existing connections alone.
   *
   * @throws {AppError} PORT_UNAVAILABLE with the reason.
   */
  listen(
    place: { address: string; port: number },
    onConnection: (connection: LocalConnection) => void,
  ): Promise<Disposable>;
}

/**
 * Who is at the other end of connections. A VMM whose guest has a network counts as nobody, because such a
 * guest must not reach other VMs; neither does a program that has closed its end already.
 */
export interface PeerUsers {
  /** Whether a program of this process's user has the remote end. */
  isOwn(connection: ConnectionEnds, options: Abortable): Promise<boolean>;
  /** Whether a program of any user of this host has the remote end. */
  isAny(connection: ConnectionEnds, options: Abortable): Promise<boolean>;
}

/** Connects to programs of this host. */
export interface HostConnector {
  /** Connects to a TCP port of 127.0.0.1. Rejects when nothing listens there. */
  connect(port: number, options: Abortable): Promise<LocalConnection>;
}
