import { z } from 'zod';
import type { VmPorts, VmStats } from '../usage.ts';
import { bytes, count, type Exact, time, vmName } from './common-schemas.ts';
import type { SshAccess } from './vm-requests.ts';

/** What a guest listens on. */
export const vmPorts: Exact<VmPorts> = z.object({
  vm: vmName,
  ports: z.array(
    z.object({
      proto: z.enum(['tcp', 'udp']),
      port: z.int(),
      addresses: z.array(z.string()),
      endpoint: z.string(),
      pid: z.int().exactOptional(),
      process: z.string().exactOptional(),
      url: z.string().exactOptional(),
    }),
  ),
});

const statsSample = z.object({
  at: time,
  guest: z
    .object({
      cpu: z.object({ count, busyMs: count, totalMs: count, load1: z.number() }),
      cpuPercent: z.number().describe('of all processors, since the sample before').exactOptional(),
      memory: z.object({ totalBytes: bytes, availableBytes: bytes }),
      disks: z.array(z.object({ mount: z.string(), totalBytes: bytes, usedBytes: bytes })),
      network: z
        .object({ receivedBytes: bytes, sentBytes: bytes })
        .describe('since the guest has its interface; absent without one')
        .exactOptional(),
    })
    .exactOptional(),
  host: z.object({ vmmMemoryBytes: bytes, vmmCpuMs: count, driveBytes: bytes }),
});

/** What a VM uses. */
export const vmStats: Exact<VmStats> = z.object({
  vm: vmName,
  now: statsSample,
  history: z.array(statsSample),
});

/** Answer of `GET /v1/vms/REF/ssh`. */
export const sshAccess: Exact<SshAccess> = z.object({
  vm: vmName,
  user: z.string(),
  port: z.int().describe("of the guest's loopback addresses"),
  identityFile: z.string().describe("private key on the daemon's host"),
  knownHostsFile: z.string().describe("has the guest's host key under hostKeyAlias, and nothing else"),
  hostKeyAlias: z.string(),
});
