import type { VmForward } from '../../../protocol/vm.ts';
import { hostPortOf, hostPorts } from '../../rules/host-port.ts';
import { VmListeners, type VmListenersOptions } from './vm-listeners.ts';

/** Where explicit ports listen besides the VM's own address. */
const LOCALHOST = '127.0.0.1';

/** A port of a guest, and where it is reached on this host. */
export interface ForwardedPort {
  guestPort: number;
  hostPort: number;
  address: string;
  /** the user asked for it; otherwise it comes and goes with the guest's listener */
  isExplicit: boolean;
  /** why it cannot be reached there, for people */
  problem?: string;
}

/** The forwarded ports of one VM: those on which its guest listens, and explicit ones. */
export class VmForwards implements Disposable {
  readonly #own: VmListeners;
  readonly #localhost: VmListeners;
  readonly #firstPort: number;
  #listening: ReadonlySet<number> = new Set();
  #explicit: readonly VmForward[] = [];

  /** `address` is the VM's own. */
  constructor(options: VmListenersOptions) {
    this.#own = new VmListeners(options);
    this.#localhost = new VmListeners({ ...options, address: LOCALHOST });
    this.#firstPort = options.listeners.firstPort;
  }

  /** How many ports listen, or should. */
  get size(): number {
    return this.#own.size + this.#localhost.size;
  }

  /** Sets the ports on which the guest listens. */
  setListening(guestPorts: ReadonlySet<number>): void {
    this.#listening = guestPorts;
    this.#apply();
  }

  /** Sets the explicit ports. */
  setExplicit(explicit: readonly VmForward[]): void {
    if (JSON.stringify(explicit) === JSON.stringify(this.#explicit)) return;
    this.#explicit = explicit;
    this.#apply();
  }

  /** All of them: first those on which the guest listens, each in the order of its port. */
  list(): ForwardedPort[] {
    const automatic = [...this.#listening]
      .sort((a, b) => a - b)
      .map((guestPort) => {
        const hostPort = hostPortOf(guestPort, this.#firstPort);
        return this.#entry(this.#own, { guestPort, hostPort, isExplicit: false });
      });
    const explicit = this.#explicit.map((one) => this.#entry(this.#localhost, { ...one, isExplicit: true }));
    return [...automatic, ...explicit];
  }

  /** Listens no more. Existing connections stay. Idempotent. */
  [Symbol.dispose](): void {
    this.#own[Symbol.dispose]();
    this.#localhost[Symbol.dispose]();
  }

  #entry(listeners: VmListeners, port: Omit<ForwardedPort, 'address' | 'problem'>): ForwardedPort {
    const problem = listeners.problemOf(port.hostPort, port.guestPort);
    return { ...port, address: listeners.address, ...(problem === undefined ? {} : { problem }) };
  }

  #apply(): void {
    const explicit = this.#explicit.map(({ hostPort, guestPort }) => [hostPort, guestPort] as const);
    this.#own.set(new Map([...hostPorts(this.#listening, this.#firstPort), ...explicit]));
    this.#localhost.set(new Map(explicit));
  }
}
