import { count, extensibleOneOf, list, number, object, optional, text } from '../base/json-schema/build.ts';
import type { ObjectOf, ValueOf } from '../base/json-schema/schema.ts';

/** The JSON that host and guest agent exchange (`docs/agent-protocol.md`). */

/**
 * The version of the protocol on the agent's stream: the generation of the agent in new VMs.
 */
export const AGENT_GENERATION = 2;

/**
 * Oldest generation that this program still supports. A VM keeps its agent while it runs and when it is
 * suspended, forked or captured, so after an upgrade this program meets agents of earlier versions.
 */
export const OLDEST_AGENT_GENERATION = 1;

/** Generations of agents that a host supports, both ends included. */
export interface AgentGenerations {
  oldest: number;
  newest: number;
}

/** The generations that this program supports. */
export const AGENT_GENERATIONS: AgentGenerations = {
  oldest: OLDEST_AGENT_GENERATION,
  newest: AGENT_GENERATION,
};

/**
 * Returns whether a host that supports `generations`, by default this program, can talk to an agent.
 */
export function speaksGeneration(generation: number, generations = AGENT_GENERATIONS): boolean {
  return generation >= generations.oldest && generation <= generations.newest;
}

/** Text, or bytes that are not UTF-8 in base64. See {@link byteString}. */
export type ByteString = string | { b64: string };

/** Answer of `GET /health` and `GET /ready`. */
export interface GuestHealth {
  generation: number;
  /** version of the agent, for people */
  version: string;
  /** of the kernel; the same in a VM and its clones */
  bootId: string;
  uptimeMs: number;
  /** what process 1 is */
  init: 'systemd' | 'agent';
  /** whether user commands may run */
  ready: boolean;
}

/** Size of a terminal, in characters. */
export interface TerminalSize {
  rows: number;
  cols: number;
}

/** The command to run: payload of the `start` frame. */
export interface ExecStart {
  /** the command and its arguments; a command without a slash is looked up in `PATH` */
  argv: readonly ByteString[];
  /** overrides and extends the user's environment in the guest */
  env?: Readonly<Record<string, ByteString>>;
  /** absolute; the user's home by default */
  cwd?: ByteString;
  /** name or number; root by default */
  user?: string;
  /** three pipes when absent; `term` is `xterm` by default */
  pty?: TerminalSize & { term?: string };
}

/**
 * How a command ended: with an exit code, or by a signal (`{ signal: 'SIGKILL', number: 9 }`). With
 * `timedOut`, its time limit ended it, and the code is 124.
 */
export type ExecExit = { code: number; timedOut?: true } | { signal: string; number: number };

/** The generation of agents that can limit the time of a command. */
export const TIME_LIMIT_GENERATION = 2;

/**
 * Codes of the `error` frame. The daemon sends the last two in the middle of a command: `lost` when the guest
 * is gone, `no_space` when the guest does not answer because it waits for disk space on the host.
 */
export type ExecFailureCode = 'not_found' | 'not_executable' | 'bad_request' | 'failed' | 'lost' | 'no_space';

/** The hint of every error about a guest that is paused until the host has disk space. */
export const WAITS_FOR_SPACE_HINT =
  'free some disk space where the VMs are stored; the guest then resumes by itself';

/** A port that something in the guest listens on. */
export interface GuestPort {
  proto: 'tcp' | 'udp';
  /** IP address that it is bound to */
  address: string;
  port: number;
  /** absent when no process holds the socket */
  pid?: number;
  process?: string;
}

/** What is at a path in the guest; follows symlinks. */
export const guestPath = object({
  kind: extensibleOneOf(['file', 'directory', 'other']),
  sizeBytes: count('bytes of a file'),
});
export type GuestPath = ValueOf<typeof guestPath>;

/** What was unpacked from an archive in the guest. */
export const unpacked = object({ entries: count(), bytes: count("of the files' content") });
export type Unpacked = ValueOf<typeof unpacked>;

/** The fields of a measurement of the guest. */
export const guestStatsFields = {
  cpu: object(
    { count: count(), busyMs: count(), totalMs: count(), load1: number() },
    'times since the boot, summed over all processors',
  ),
  memory: object({ totalBytes: count(), availableBytes: count() }),
  disks: list(object({ mount: text(), totalBytes: count(), usedBytes: count() })),
  network: optional(
    object(
      { receivedBytes: count(), sentBytes: count() },
      'since the guest has its interface; absent without one',
    ),
  ),
};

/** How a guest gives back the space of what was deleted in it: part of `POST /sync`. */
export interface TrimRequest {
  /** the guest begins nothing more after so many `ms` */
  withinMs: number;
  /**
   * bytes that its drives take on the host: a drive that has little to give back is left alone. `workBase` is
   * what the base of the work disk takes besides.
   */
  hostBytes: { overlay: number; work: number; workBase?: number };
}

/** Answer of `POST /sync`. */
export interface Synced {
  /** programs that users of the guest have running; absent when it cannot tell */
  programCount?: number;
  /** bytes that were discarded; absent when none were */
  trimmedBytes?: number;
}

/** A measurement of the guest. */
export type GuestStats = ObjectOf<typeof guestStatsFields>;

/** What is set in a guest when it is personalised, in this order. Absent fields are left unchanged. */
export interface Personalisation {
  /** the host's clock when the request is sent */
  wallClockMs?: number;
  /** reseeds the kernel's random generator; at most 512 bytes are used */
  entropyBase64?: string;
  hostname?: string;
  /** 32 lower-case hex digits */
  machineId?: string;
  network?: GuestNetwork;
  /** agents that do not know it ignore it */
  surroundings?: Surroundings;
  /**
   * `mount`: mounts the work disk at `/root`, unless it is; grows its file system to the disk, and fills an
   * empty one. `release`: unmounts it, so that another may take its place; fails when a program uses it.
   */
  workDisk?: 'mount' | 'release';
  /**
   * makes this user when the guest has none of that name, and its home a view of the work disk; `fillHome`
   * first copies there what the image has in that home, once for each work disk
   */
  user?: { name: string; fillHome: boolean };
  files?: readonly PersonalFile[];
}

/** What the network around the host asks of programs that go through it, and so of a guest with NAT. */
export interface Surroundings {
  /** variables of every command in the guest; values are one line without quotes, `#` and `\\` */
  environment: Readonly<Record<string, string>>;
  /** only root of the guest may read the variables' file */
  isSecret: boolean;
  /** those that the guest trusts besides its image's */
  authorities: readonly Authority[];
}

/** A certificate authority. */
export interface Authority {
  /** one certificate in PEM, in lines of 64 characters */
  pem: string;
  /** OpenSSL's hash of its subject, 8 hex digits: the name of its file in a folder that OpenSSL searches */
  subjectHash: string;
}

/** Where a guest has the certificates of {@link Surroundings} in one file. */
export const GUEST_AUTHORITIES_FILE = '/usr/local/share/ca-certificates/banger/all.pem';

/** Where a guest has all certificates that it trusts. */
export const GUEST_TRUST_FILE = '/etc/ssl/certs/ca-certificates.crt';

/** Answer of `POST /personalise`. */
export interface Personalised {
  /** the guest's clock when it answers */
  wallClockMs: number;
  /** optional files that could not be written */
  unwritten: readonly { path: string; message: string }[];
}

/**
 * Settings of the guest's only network interface. Without addresses it is down, and names do not resolve.
 */
export interface GuestNetwork {
  /** with their prefix length: `10.0.2.15/24` */
  addresses: readonly string[];
  /** default gateways, one per address family */
  gateways: readonly string[];
  nameservers: readonly string[];
}

/** A file to write into the guest, owned by root. */
export interface PersonalFile {
  /** absolute, without `.` or `..`; missing parents are created */
  path: string;
  /** permission bits of what is created, as a number (`0o600`) */
  mode: number;
  /** absent for a folder; sent after the JSON of the request, not in it */
  content?: Uint8Array;
  /**
   * `replace` (default): replaces an existing file; `create`: writes it only when there is none; `add-lines`:
   * appends the lines that an existing file lacks; `folder`: creates a folder when nothing is there
   */
  how?: 'replace' | 'create' | 'add-lines' | 'folder';
  /** a failure to write it, as on a full disk, is reported and does not fail the request */
  optional?: boolean;
}

/** Encodes `bytes` for JSON: as text when they are UTF-8, otherwise in base64. */
export function byteString(bytes: Uint8Array): ByteString {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { b64: Buffer.from(bytes).toString('base64') };
  }
}
