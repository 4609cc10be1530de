import {
  count,
  extensibleOneOf,
  integer,
  list,
  number,
  object,
  optional,
  record,
  text,
  truth,
} from '../base/json-schema/build.ts';
import type { ValueOf } from '../base/json-schema/schema.ts';
import { bytes, time, vmName } from './api/common.ts';
import { guestStatsFields } from './guest.ts';
import { NETWORK_MODES, vmPolicy } from './vm.ts';

const vmPort = object({
  proto: extensibleOneOf(['tcp', 'udp']),
  port: integer(),
  addresses: list(text()),
  endpoint: text('`web.vm:8080`'),
  pid: optional(integer()),
  process: optional(text()),
  hostAddress: optional(text("the VM's address on the daemon's host, where a TCP port listens too")),
  hostPort: optional(
    integer('its port there: 8000 more for a port that the daemon may not use; see `banger doctor`'),
  ),
  isExplicit: optional(truth('forwarded by `vm port`, on 127.0.0.1, whether or not something listens')),
  problem: optional(text('why the port does not listen there')),
  url: optional(text('works on the host of the daemon; present when a web server answers there')),
});

/** A port that something in a guest listens on, at any number of addresses. */
export type VmPort = ValueOf<typeof vmPort>;

/** Answer of `GET /v1/vms/REF/ports`; sorted by number, then protocol. */
export const vmPorts = object({ vm: vmName, ports: list(vmPort) });
export type VmPorts = ValueOf<typeof vmPorts>;

const hostUsage = object({
  vmmMemoryBytes: bytes(
    "bytes of the VMM's memory, most of it the guest's, with its share of pages that several VMMs use",
  ),
  vmmCpuMs: count("ms of the host's processors since the VMM's start"),
  driveBytes: bytes("bytes that the VM's own drive files take on the host's disks"),
});

/** What a VM uses on the host. */
export type HostUsage = ValueOf<typeof hostUsage>;

const statsSample = object({
  at: time(),
  guest: optional(
    object(
      {
        ...guestStatsFields,
        cpuPercent: optional(number('of all processors, since the previous sample; absent in the first one')),
      },
      'absent while the guest does not answer',
    ),
  ),
  host: hostUsage,
});

/** A VM at one time. */
export type StatsSample = ValueOf<typeof statsSample>;

/** Answer of `GET /v1/vms/REF/stats`. */
export const vmStats = object({
  vm: vmName,
  now: statsSample,
  history: list(statsSample, 'earlier samples since the daemon or the VM started, oldest first'),
});
export type VmStats = ValueOf<typeof vmStats>;

const policyCounts = object(
  {
    mode: text('`open`, `enforce`, or `learn` while `vm network learn` runs'),
    rules: list(
      object({ rule: text(), allowed: count('queries of names, connections and pings') }),
      'the rules, and what is allowed without rules',
    ),
    refused: count(),
    unlogged: optional(count('of these, those that were refused because they could not be logged')),
  },
  'what its rules have decided since it was started',
);

/** Answer of `GET /v1/vms/REF/network`. */
export const vmNetworkState = object({
  vm: vmName,
  mode: extensibleOneOf(NETWORK_MODES, '`user`: the guest may open connections to the outside'),
  policy: optional(vmPolicy),
  exposedPorts: list(
    integer(),
    "ports of this host's loopback that the guest reaches at its own, and with a network at 10.0.2.2; no others",
  ),
  secrets: optional(
    list(
      object({
        name: text(),
        source: text(),
        host: text(),
        port: integer(),
        isKnown: optional(truth('the process has its value; absent while there is no process')),
      }),
    ),
  ),
  process: optional(
    object(
      {
        pid: integer(),
        isConnected: truth('the VMM is connected to it'),
        counters: record('counts since its start, by name'),
        policy: optional(policyCounts),
      },
      'the process that opens the connections of the guest; absent while the VM has none',
    ),
  ),
});
export type VmNetworkState = ValueOf<typeof vmNetworkState>;
