import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { ListedVm } from './pages.ts';

/** A VM that the gateway can be asked for. */
export interface GatewayVm {
  id: string;
  name: string;
  state: string;
}

/** What the gateway needs to know about VMs, and does with them. */
export interface GatewayGuests {
  /** the user's VM of that name */
  find(name: string): GatewayVm | undefined;
  /** for the page that lists them */
  list(options: Abortable & { gatewayPort: number }): Promise<ListedVm[]>;
  /**
   * Waits until the VM can be reached, and resumes a suspended one. A client that leaves meanwhile does not
   * cancel the resume.
   *
   * @throws {AppError} what keeps the VM from running.
   */
  wake(vm: GatewayVm, options: Abortable): Promise<void>;
  /** Number of the first port of a running VM that answers HTTP. */
  webPort(vm: GatewayVm, options: Abortable): Promise<number | undefined>;
  /** Forgets what {@link GatewayGuests.webPort} found. */
  forgetWebPort(vm: GatewayVm): void;
  /** Connects to a port of a running VM; the stream ends when `signal` aborts. @throws {AppError} GUEST_* */
  open(vm: GatewayVm, port: number, options: Abortable): Promise<Duplex>;
  /** Marks the VM as in use until disposed of. */
  use(vm: GatewayVm): Disposable;
}
