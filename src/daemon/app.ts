import type { Logger } from '../base/log.ts';
import type { Paths } from '../config/paths.ts';
import type { PortForwards } from '../core/vms/network/port-forwards.ts';
import type { TakeOver } from '../core/vms/recovery/take-over.ts';
import type { VmWorld } from '../core/vms/world.ts';
import type { BuildInfo } from '../protocol/build-info.ts';
import type { DoctorHost } from './doctor/check.ts';
import type { LocalServers } from './names/local-servers.ts';
import type { NameResolution } from './names/resolution.ts';
import type { Operations } from './operations.ts';
import type { Packs } from './packs.ts';
import type { VmUse } from './watch/vm-use.ts';

/** What the daemon's routes work with. */
export interface App {
  world: VmWorld;
  paths: Paths;
  build: BuildInfo;
  log: Logger;
  doctor: DoctorHost;
  operations: Operations;
  packs: Packs;
  use: VmUse;
  /** the ports of guests on this host */
  forwards: PortForwards;
  localServers: LocalServers;
  resolution: NameResolution;
  /** the adoption of VMs from an earlier daemon, which may still be in progress */
  takeOver: TakeOver;
  /** Starts draining; the daemon exits when that is done. Idempotent. */
  stop: (reason: string) => void;
  /** Facts about this process. */
  activity: Activity;
}

/** What keeps the daemon from being idle. */
export interface Activity {
  readonly startedAt: Date;
  /** number of running requests and sessions */
  activeCount: number;
  /** `ms` until the idle daemon exits; undefined while something runs */
  idleExitInMs(): number | undefined;
}
