import { extensibleOneOf, integer, object, optional, text } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';

const localServer = object({
  state: extensibleOneOf(['listening', 'off', 'failed'], '`off`: the configuration says so'),
  address: optional(text('absent while it is off')),
  port: optional(integer()),
  problem: optional(text('why it does not listen')),
});

/** A server of the daemon on the host's loopback. */
export type LocalServer = ValueOf<typeof localServer>;

/** Answer of `GET /v1/names`: the DNS server for `NAME.vm`, and the web gateway for `NAME.localhost`. */
export const nameServers = object({ dns: localServer, gateway: localServer });
export type NameServers = ValueOf<typeof nameServers>;

/**
 * A name in the zone that no VM can have. It has the DNS server's own address: a program that resolves it
 * knows whether this host asks that server.
 */
export const PROBE_LABEL = '_banger';
