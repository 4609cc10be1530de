import type { Logger } from '../../../base/log.ts';
import type { AddressClaims } from '../../ports/loopback.ts';
import type { VmRecord } from '../../ports/records.ts';
import { guestAddresses } from '../../rules/guest-address.ts';
import type { ObservedRecords } from './observed-records.ts';

/** Most addresses that are tried; when other programs have them all, the first is used all the same. */
const MOST_TRIED = 64;

/** What {@link GuestAddresses} needs. */
export interface GuestAddressesOptions {
  records: Pick<ObservedRecords, 'get' | 'list' | 'listen' | 'updateAll'>;
  claims: AddressClaims;
  /** the user's number, which decides which addresses are tried first */
  uid: number;
  log: Logger;
  /** default: `Math.random` */
  random?: () => number;
}

/** An address for a new VM. It counts as used until disposed of, and then as long as a record has it. */
export interface TakenAddress extends Disposable {
  guestIp: string;
}

/** The part of a new record that {@link GuestAddresses.take} decides. */
export function recordedAddress({ guestIp }: Partial<TakenAddress>): Pick<VmRecord, 'guestIp'> {
  return guestIp === undefined ? {} : { guestIp };
}

/**
 * The loopback addresses of VMs: each VM has one for its whole life, in its record. While the daemon runs, it
 * claims those of its VMs from all other daemons of this host. The records alone do not suffice, because
 * other users have their own.
 */
export class GuestAddresses {
  readonly #options: GuestAddressesOptions;
  /** claims by address */
  readonly #claims = new Map<string, Disposable>();
  /** taken for VMs that have no record yet */
  readonly #pending = new Set<string>();
  readonly #hook: Disposable;

  constructor(options: GuestAddressesOptions) {
    this.#options = options;
    this.#hook = options.records.listen((vmId) => {
      if (!options.records.get(vmId)) this.#releaseUnused();
    });
  }

  /** Finds an address that no VM of this host has; `{}` when every address is used. */
  async take(): Promise<Partial<TakenAddress> & Disposable> {
    const used = this.#releaseUnused();
    let first: string | undefined;
    let tried = 0;
    for (const address of guestAddresses({
      uid: this.#options.uid,
      random: this.#options.random ?? Math.random,
    })) {
      if (used.has(address) || this.#pending.has(address)) continue;
      first ??= address;
      tried += 1;
      if (tried > MOST_TRIED) break;
      this.#pending.add(address);
      if (await this.#claim(address)) return this.#taken(address);
      this.#pending.delete(address);
    }
    if (first === undefined) return { [Symbol.dispose]: () => {} };
    this.#pending.add(first);
    return this.#taken(first);
  }

  /**
   * Claims the addresses of all VMs, and gives another one to each VM that has none or whose address another
   * daemon claims. To be called before anything else changes records.
   */
  async begin(): Promise<void> {
    const all = this.#options.records.list();
    const lost = await Promise.all(all.map(async (record) => ((await this.#has(record)) ? [] : [record])));
    const changed: VmRecord[] = [];
    for (const { guestIp: _, ...record } of lost.flat()) {
      changed.push({ ...record, ...recordedAddress(await this.take()) });
    }
    try {
      if (changed.length > 0) this.#options.records.updateAll(changed);
    } catch (error) {
      // The next daemon tries again.
      this.#options.log.error('VMs could not be given addresses', {
        vms: changed.map(({ name }) => name),
        error,
      });
    } finally {
      this.#pending.clear();
    }
  }

  /** Gives up all claims. */
  [Symbol.dispose](): void {
    this.#hook[Symbol.dispose]();
    for (const claim of this.#claims.values()) claim[Symbol.dispose]();
    this.#claims.clear();
  }

  async #has({ guestIp }: VmRecord): Promise<boolean> {
    return guestIp !== undefined && (await this.#claim(guestIp));
  }

  async #claim(address: string): Promise<boolean> {
    if (this.#claims.has(address)) return true;
    const claim = await this.#options.claims.claim(address);
    if (claim) this.#claims.set(address, claim);
    return claim !== undefined;
  }

  #taken(guestIp: string): TakenAddress {
    return { guestIp, [Symbol.dispose]: () => void this.#pending.delete(guestIp) };
  }

  /** Gives up the claims of VMs that are gone; returns the addresses of the others. */
  #releaseUnused(): ReadonlySet<string> {
    const used = new Set(this.#options.records.list().flatMap(({ guestIp }) => guestIp ?? []));
    for (const [address, claim] of this.#claims) {
      if (used.has(address) || this.#pending.has(address)) continue;
      claim[Symbol.dispose]();
      this.#claims.delete(address);
    }
    return used;
  }
}
