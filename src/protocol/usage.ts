import type { GuestStats } from './guest.ts';

/** A port that something in a guest listens on, whatever number of addresses it is bound to. */
export interface VmPort {
  proto: 'tcp' | 'udp';
  port: number;
  addresses: string[];
  /** `web.vm:8080` */
  endpoint: string;
  pid?: number;
  process?: string;
  /** present when it answers as a web server does */
  url?: string;
}

/** Answer of `GET /v1/vms/REF/ports`. */
export interface VmPorts {
  vm: { id: string; name: string };
  /** by number, then protocol */
  ports: VmPort[];
}

/** What a VM uses on the host. */
export interface HostUsage {
  /** memory of the VMM, its share of pages that several VMMs use included; most of it is the guest's */
  vmmMemoryBytes: number;
  /** time of the host's processors since the VMM's start */
  vmmCpuMs: number;
  /** what the VM's own drive files take on the host's disks */
  driveBytes: number;
}

/** A VM at one time. */
export interface StatsSample {
  /** RFC 3339, UTC */
  at: string;
  /** absent while the guest does not answer */
  guest?: GuestStats & {
    /** of all of the guest's processors, since the sample before; absent in the first one */
    cpuPercent?: number;
  };
  host: HostUsage;
}

/** Answer of `GET /v1/vms/REF/stats`. */
export interface VmStats {
  vm: { id: string; name: string };
  now: StatsSample;
  /** earlier ones since the daemon's or the VM's start, oldest first */
  history: StatsSample[];
}
