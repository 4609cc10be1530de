import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { Schema } from '../../base/json-schema/schema.ts';
import type { App } from '../app.ts';

/** A request about a VM, `POST /v1/vms/REF/<verb>`, that asks for another protocol than HTTP. */
export interface UpgradeRoute<Query = never> {
  verb: string;
  summary: string;
  /** of its query; without one, a query is refused */
  query?: Schema<Query>;
  /** value of the header `Upgrade` */
  protocol: string;
  /** Opens the guest's end; what it throws is the answer. */
  open(app: App, request: Abortable & { ref: string; query: Query }): Promise<Duplex>;
  /**
   * Passes bytes between both ends from now on. Both are destroyed when it is over, however that came about.
   */
  join(socket: Duplex, stream: Duplex): void;
}
