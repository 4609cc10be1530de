import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { App } from '../app.ts';

/** A request about a VM, `POST /v1/vms/REF/<verb>`, that asks for another protocol than HTTP. */
export interface UpgradeRoute {
  verb: string;
  /** value of the header `Upgrade` */
  protocol: string;
  /** Opens the guest's end; what it throws is the answer. */
  open(app: App, request: Abortable & { ref: string; query: URLSearchParams }): Promise<Duplex>;
  /**
   * Passes bytes between both ends from now on. Both are destroyed when it is over, however that came about.
   */
  join(socket: Duplex, stream: Duplex): void;
}
