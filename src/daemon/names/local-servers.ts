import { isErrno, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { DnsPlace } from '../../config/dns-place.ts';
import type { LocalServer, NameServers } from '../../protocol/api/names.ts';
import type { GatewayOptions } from '../gateway/gateway.ts';
import type { Zone } from './answer-query.ts';

/** What {@link LocalServers} needs. */
export interface LocalServersOptions {
  /** absent: no DNS server */
  dns?: { place: DnsPlace; zone: Zone } | undefined;
  /** absent: no web gateway */
  gateway?: Omit<GatewayOptions, 'log'> | undefined;
  log: Logger;
}

/** A server that listens, and where. */
interface Listening {
  server: AsyncDisposable;
  place: DnsPlace;
}

/** System errors that are about this host, so that the user can act. */
const CANNOT_LISTEN = ['EADDRINUSE', 'EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EAFNOSUPPORT', 'EMFILE', 'ENFILE'];

/**
 * The servers of the daemon on the host's loopback: DNS and the web gateway. A server that cannot listen, for
 * example because another daemon has its port, is reported and left out; it tries again whenever somebody
 * asks for its status.
 */
export class LocalServers implements AsyncDisposable {
  readonly #status: NameServers = { dns: { state: 'off' }, gateway: { state: 'off' } };
  readonly #options: LocalServersOptions;
  readonly #open: AsyncDisposable[] = [];
  #begun: Promise<void>;
  #isClosed = false;

  /** Starts to listen, in the background. */
  constructor(options: LocalServersOptions) {
    this.#options = options;
    this.#begun = this.#begin();
  }

  /** Waits until each server listens or has failed to. */
  async status(): Promise<NameServers> {
    await this.#begun;
    const { dns, gateway } = this.#status;
    if (!this.#isClosed && [dns, gateway].some(({ state }) => state === 'failed')) {
      this.#begun = this.#begin();
      await this.#begun;
    }
    return this.#status;
  }

  /** Whether the gateway listens now. */
  get hasGateway(): boolean {
    return this.#status.gateway.state === 'listening';
  }

  /** The port of the gateway; `undefined` when it does not listen. */
  async gatewayPort(): Promise<number | undefined> {
    await this.#begun;
    const { state, port } = this.#status.gateway;
    return state === 'listening' ? port : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#begun;
    await Promise.all(this.#open.splice(0).map((server) => server[Symbol.asyncDispose]()));
  }

  async #begin(): Promise<void> {
    const { dns, gateway, log } = this.#options;
    if (dns) {
      await this.#listen('dns', dns.place, async () => {
        const { startDnsServer } = await import('./dns-server.ts');
        const server = await startDnsServer(dns.zone, dns.place, { log });
        return { server, place: server.place };
      });
    }
    if (gateway) {
      const { GATEWAY_ADDRESS, startGateway } = await import('../gateway/gateway.ts');
      const place = { address: GATEWAY_ADDRESS, port: gateway.port };
      await this.#listen('gateway', place, async () => {
        const server = await startGateway({ ...gateway, log });
        return { server, place: { ...place, port: server.port } };
      });
    }
  }

  async #listen(name: keyof NameServers, place: DnsPlace, start: () => Promise<Listening>): Promise<void> {
    const { state: before } = this.#status[name];
    if (before === 'listening') return;
    const { log } = this.#options;
    try {
      const { server, place: listening } = await start();
      this.#open.push(server);
      this.#status[name] = { state: 'listening', ...listening };
    } catch (error) {
      const problem = problemOf(error, place);
      this.#status[name] = { state: 'failed', ...place, problem } satisfies LocalServer;
      if (before === 'failed') return;
      const fields = { server: name, ...place, problem };
      if (isErrno(error, ...CANNOT_LISTEN)) log.warn('a server for names of VMs does not listen', fields);
      else log.error('a server for names of VMs does not listen: this is a bug', { ...fields, error });
    }
  }
}

function problemOf(error: unknown, { address, port }: DnsPlace): string {
  if (isErrno(error, 'EADDRINUSE')) return `port ${port} of ${address} is in use by another program`;
  return messageOf(error);
}
