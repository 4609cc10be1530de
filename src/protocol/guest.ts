import { count, extensibleOneOf, list, number, object, optional, text } from '../base/json-schema/build.ts';
import type { ObjectOf, ValueOf } from '../base/json-schema/schema.ts';

/** What host and guest agent say to each other in JSON (`docs/agent-protocol.md`); plain types. */

/**
 * The one version number of everything that is said over the agent's stream: the generation of the agent that
 * new VMs get.
 */
export const AGENT_GENERATION = 1;

/**
 * Oldest generation of agents that this program still speaks. A VM keeps its agent while it runs, is
 * suspended, forked or captured, so an upgrade of this program meets the agents of earlier versions.
 */
export const OLDEST_AGENT_GENERATION = 1;

/** Generations of agents that a host speaks, both ends included. */
export interface AgentGenerations {
  oldest: number;
  newest: number;
}

/** What this program speaks. */
export const AGENT_GENERATIONS: AgentGenerations = {
  oldest: OLDEST_AGENT_GENERATION,
  newest: AGENT_GENERATION,
};

/**
 * Whether a host that speaks `generations`, by default this program, can talk to an agent of `generation`.
 */
export function speaksGeneration(generation: number, generations = AGENT_GENERATIONS): boolean {
  return generation >= generations.oldest && generation <= generations.newest;
}

/** Text, or in its place bytes that are not UTF-8, in base64. See {@link byteString}. */
export type ByteString = string | { b64: string };

/** Answer of `GET /health` and `GET /ready`. */
export interface GuestHealth {
  generation: number;
  /** agent's own, for people */
  version: string;
  /** of the kernel; a VM and its clones have the same */
  bootId: string;
  uptimeMs: number;
  /** what process 1 is */
  init: 'systemd' | 'agent';
  /** user commands may run */
  ready: boolean;
}

/** Size of a terminal, in characters. */
export interface TerminalSize {
  rows: number;
  cols: number;
}

/** What to run: payload of the `start` frame. */
export interface ExecStart {
  /** the command and its arguments; a command without a slash is looked up in `PATH` */
  argv: readonly ByteString[];
  /** added to the environment that the user has in the guest, and wins */
  env?: Readonly<Record<string, ByteString>>;
  /** absolute; the user's home by default */
  cwd?: ByteString;
  /** name or number; root by default */
  user?: string;
  /** three pipes when absent; `term` is `xterm` by default */
  pty?: TerminalSize & { term?: string };
}

/** How a command ended: with an exit code, or by a signal (`{ signal: 'SIGKILL', number: 9 }`). */
export type ExecExit = { code: number } | { signal: string; number: number };

/**
 * Codes of the `error` frame. The last two come from the daemon, in the middle of a command: `lost` when the
 * guest is gone, `no_space` when it waits for disk space on the host and so answers no more.
 */
export type ExecFailureCode = 'not_found' | 'not_executable' | 'bad_request' | 'failed' | 'lost' | 'no_space';

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

/** What a path in the guest means, through symlinks. */
export const guestPath = object({
  kind: extensibleOneOf(['file', 'directory', 'other']),
  sizeBytes: count('bytes of a file'),
});
export type GuestPath = ValueOf<typeof guestPath>;

/** What was unpacked of an archive in the guest. */
export const unpacked = object({ entries: count(), bytes: count("of the files' content") });
export type Unpacked = ValueOf<typeof unpacked>;

/** The fields of a measurement of the guest. */
export const guestStatsFields = {
  cpu: object(
    { count: count(), busyMs: count(), totalMs: count(), load1: number() },
    'times since the boot, of all processors together',
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

/** A measurement of the guest. */
export type GuestStats = ObjectOf<typeof guestStatsFields>;

/** What makes a guest its own; what is absent stays. Applied in this order. */
export interface Personalisation {
  /** the host's time when the request is sent */
  wallClockMs?: number;
  /** counted as random, and the kernel's generator is started anew from it; 512 bytes at most are used */
  entropyBase64?: string;
  hostname?: string;
  /** 32 lower-case hex digits */
  machineId?: string;
  network?: GuestNetwork;
  files?: readonly PersonalFile[];
}

/** Answer of `POST /personalise`. */
export interface Personalised {
  /** the guest's time when it answers */
  wallClockMs: number;
  /** optional files that could not be written */
  unwritten: readonly { path: string; message: string }[];
}

/**
 * How the guest's one network interface is set up; without addresses it is down, and names are not looked up.
 */
export interface GuestNetwork {
  /** with the length of their network: `10.0.2.15/24` */
  addresses: readonly string[];
  /** default gateways, one for each family */
  gateways: readonly string[];
  nameservers: readonly string[];
}

/** A file that is to be in the guest, owned by root. */
export interface PersonalFile {
  /** absolute and clean; parents are made */
  path: string;
  /** permission bits, as a number (`0o600`), of what is made */
  mode: number;
  /** absent for a folder; goes behind the JSON of the request, not into it */
  content?: Uint8Array;
  /**
   * `replace` (default): takes the place of what is there; `create`: only where nothing is; `add-lines`:
   * those lines that the file there lacks; `folder`: a folder, where nothing is
   */
  how?: 'replace' | 'create' | 'add-lines' | 'folder';
  /** the guest is used without it when it cannot be written, as on a full disk, and says so */
  optional?: boolean;
}

/** `bytes` as JSON can carry them: text when they are UTF-8. */
export function byteString(bytes: Uint8Array): ByteString {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { b64: Buffer.from(bytes).toString('base64') };
  }
}
