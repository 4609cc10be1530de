import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import type { Schema } from '../../base/json-schema/schema.ts';
import type { App } from '../app.ts';

/** A request about a VM, `POST /v1/vms/REF/<verb>`, to switch from HTTP to another protocol. */
export interface UpgradeRoute<Query = never> {
  verb: string;
  summary: string;
  /** schema of its query; without one, a query is refused */
  query?: Schema<Query>;
  /** value of the header `Upgrade` */
  protocol: string;
  /** Opens the guest's end; the client gets what it throws as the answer. */
  open(app: App, request: Abortable & { ref: string; query: Query }): Promise<Duplex>;
  /** Passes bytes between both ends from now on. Destroys both when either ends, for whatever reason. */
  join(socket: Duplex, stream: Duplex): void;
}
