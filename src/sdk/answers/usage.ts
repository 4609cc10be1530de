import type { SshAccess } from '../../protocol/api/vm-requests.ts';
import type { GuestStats } from '../../protocol/guest.ts';
import type { HostUsage, StatsSample, VmPort, VmPorts, VmStats } from '../../protocol/usage.ts';
import { type GuardOf, isNumber, isText, listOf, optional, shapeOf } from '../guards.ts';

const isVmName = shapeOf<VmPorts['vm']>({ id: isText, name: isText });

/** Answer of `GET /v1/vms/REF/ports`. */
export const isVmPorts: GuardOf<VmPorts> = shapeOf<VmPorts>({
  vm: isVmName,
  ports: listOf(
    shapeOf<VmPort>({
      proto: isText,
      port: isNumber,
      addresses: listOf(isText),
      endpoint: isText,
      pid: optional(isNumber),
      process: optional(isText),
      url: optional(isText),
    }),
  ),
});

const isGuestSample = shapeOf<NonNullable<StatsSample['guest']>>({
  cpu: shapeOf<GuestStats['cpu']>({ count: isNumber, busyMs: isNumber, totalMs: isNumber, load1: isNumber }),
  cpuPercent: optional(isNumber),
  memory: shapeOf<GuestStats['memory']>({ totalBytes: isNumber, availableBytes: isNumber }),
  disks: listOf(
    shapeOf<GuestStats['disks'][number]>({ mount: isText, totalBytes: isNumber, usedBytes: isNumber }),
  ),
  network: optional(
    shapeOf<NonNullable<GuestStats['network']>>({ receivedBytes: isNumber, sentBytes: isNumber }),
  ),
});

const isSample = shapeOf<StatsSample>({
  at: isText,
  guest: optional(isGuestSample),
  host: shapeOf<HostUsage>({ vmmMemoryBytes: isNumber, vmmCpuMs: isNumber, driveBytes: isNumber }),
});

/** Answer of `GET /v1/vms/REF/stats`. */
export const isVmStats: GuardOf<VmStats> = shapeOf<VmStats>({
  vm: isVmName,
  now: isSample,
  history: listOf(isSample),
});

/** Answer of `GET /v1/vms/REF/ssh`. */
export const isSshAccess: GuardOf<SshAccess> = shapeOf<SshAccess>({
  vm: isVmName,
  user: isText,
  port: isNumber,
  identityFile: isText,
  knownHostsFile: isText,
  hostKeyAlias: isText,
});
