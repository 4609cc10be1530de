import type { Abortable } from '../../base/abort.ts';
import { type NameServers, nameServers } from '../../protocol/api/names.ts';
import type { Caller } from './caller.ts';

/** The names of VMs on the daemon's host. */
export interface NameCalls {
  /** The DNS server for `NAME.vm`, and the web gateway for `NAME.localhost`. */
  nameServers(options: Abortable): Promise<NameServers>;
}

/** {@link NameCalls} over one transport. */
export function nameCalls(caller: Caller): NameCalls {
  return { nameServers: (options) => caller.get('/names', nameServers, options) };
}
