import { neverAborts } from '../../base/abort.ts';
import { resolvesTo } from '../../base/resolves-to.ts';
import { PROBE_LABEL } from '../../protocol/api/names.ts';
import { hostNameOf } from '../../protocol/vm-domain.ts';
import type { LocalServers } from './local-servers.ts';

/**
 * `ms` that an answer stays valid: less than a user needs to set up the resolver and then ask for a link with
 * the name.
 */
const VALID_MS = 3_000;

/** `ms` to wait for the resolver, which may wait for servers of its network; and for a caller of ours. */
const RESOLVE_MS = 5_000;
const CALLER_MS = 300;

/** Whether programs of this host find VMs by name. */
export class NameResolution {
  readonly #servers: Pick<LocalServers, 'status'>;
  #asking: Promise<boolean> | undefined;
  #known: { isResolved: boolean; at: number } | undefined;

  constructor(servers: Pick<LocalServers, 'status'>) {
    this.#servers = servers;
  }

  /** Returns the latest answer; false as long as there is none. Waits a moment at most. */
  async isResolved(): Promise<boolean> {
    const { at = Number.NEGATIVE_INFINITY } = this.#known ?? {};
    if (performance.now() - at < VALID_MS) return this.#known?.isResolved ?? false;
    // A resolver that hangs takes a thread of this process, so it is asked once at a time.
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(this.#known?.isResolved ?? false), CALLER_MS);
    try {
      return await Promise.race([this.#asking, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(): Promise<boolean> {
    const { dns } = await this.#servers.status();
    const isResolved =
      dns.state === 'listening' &&
      dns.address !== undefined &&
      (await resolvesTo(hostNameOf(PROBE_LABEL), {
        address: dns.address,
        deadlineMs: RESOLVE_MS,
        signal: neverAborts(),
      }));
    this.#known = { isResolved, at: performance.now() };
    return isResolved;
  }
}
