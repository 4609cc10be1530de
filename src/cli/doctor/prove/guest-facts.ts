import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError, printable } from '../../../base/errors.ts';
import type { BangerClient } from '../../../sdk/client.ts';

/** How many numbers each guest draws from each source. */
export const DRAW_COUNT = 1000;

const DRAW_BYTES = 16;

/** Most that a question's answer may be. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Time limit for one answer, in `ms`: an emulated guest on a busy host takes seconds, and a guest that hangs
 * must not block the command.
 */
const ANSWER_DEADLINE_MS = 60_000;

/** How often a guest's clock is read; the fastest reading is the most exact. */
const CLOCK_READINGS = 5;

/** Where a guest's random numbers come from. */
export const SOURCES = ['/dev/urandom', 'uuidgen', "Python's secrets"] as const;
export type Source = (typeof SOURCES)[number];

/** What one guest answered. */
export interface GuestFacts {
  name: string;
  /** by source; empty for a source whose program the guest lacks */
  draws: ReadonlyMap<Source, readonly string[]>;
  /** from all places where programs look for it */
  machineIds: readonly string[];
  sshHostKeys: readonly string[];
  /** from the kernel; empty when it does not answer */
  bootId: string;
  clock: ClockReading;
}

/** The difference between the clocks of a guest and the host: `offsetMs`, plus or minus `uncertaintyMs`. */
export interface ClockReading {
  offsetMs: number;
  uncertaintyMs: number;
}

/** A guest that can be asked. */
export interface Guest {
  client: BangerClient;
  id: string;
  name: string;
}

/** Asks one guest for all facts, with one command per question. */
export async function askGuest(guest: Guest, { signal }: Abortable): Promise<GuestFacts> {
  const [draws, machineIds, sshHostKeys, [bootId = '']] = await Promise.all([
    drawFrom(guest, { signal }),
    // D-Bus has its own file, unless it is a symlink or missing.
    linesOf(guest, ['sh', '-c', 'cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null; true'], {
      signal,
    }),
    linesOf(guest, ['sh', '-c', "cut -d' ' -f1,2 /etc/ssh/ssh_host_*_key.pub"], { signal }),
    linesOf(guest, ['cat', '/proc/sys/kernel/random/boot_id'], { signal }),
  ]);
  const clock = await readClock(guest, { signal });
  return { name: guest.name, draws, machineIds, sshHostKeys, bootId, clock };
}

/**
 * Runs a program in the guest as root. Returns its output, or `undefined` when it fails or does not exist.
 * @throws {AppError} WAIT_TIMEOUT after a minute
 */
export async function ask(
  { client, id, name }: Guest,
  argv: readonly string[],
  options: Abortable,
): Promise<Buffer | undefined> {
  const answer = async (signal: AbortSignal): Promise<Buffer | undefined> => {
    using session = await client.exec(id, { argv: [...argv], cwd: '/' }, { signal });
    const { exit, stdout } = await session.collect({ maxBytes: MAX_ANSWER_BYTES });
    return 'code' in exit && exit.code === 0 ? stdout : undefined;
  };
  try {
    const what = `"${name}" to run ${argv[0]}`;
    return await withDeadline(answer, { ...options, deadlineMs: ANSWER_DEADLINE_MS, what });
  } catch (error) {
    if (isAppError(error, 'COMMAND_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function linesOf(guest: Guest, argv: readonly string[], options: Abortable): Promise<string[]> {
  const output = (await ask(guest, argv, options)) ?? Buffer.alloc(0);
  return output
    .toString()
    .split('\n')
    .map(printable)
    .filter((line) => line !== '');
}

const UUIDS = `command -v uuidgen > /dev/null || exec python3 -c "$1"
i=0; while [ $i -lt ${DRAW_COUNT} ]; do uuidgen || exit; i=$((i + 1)); done`;

/** Does what uuidgen(1) does, for images without it. */
const LIBUUID = `import ctypes
library, uuid = ctypes.CDLL('libuuid.so.1'), (ctypes.c_ubyte * 16)()
for _ in range(${DRAW_COUNT}):
    library.uuid_generate(uuid)
    print(bytes(uuid).hex())`;

async function drawFrom(guest: Guest, options: Abortable): Promise<Map<Source, string[]>> {
  const device = ['dd', 'if=/dev/urandom', `bs=${DRAW_BYTES}`, `count=${DRAW_COUNT}`, 'status=none'];
  const secrets = `import secrets\nfor _ in range(${DRAW_COUNT}): print(secrets.token_hex(${DRAW_BYTES}))`;
  const [bytes = Buffer.alloc(0), ids, tokens] = await Promise.all([
    ask(guest, device, options),
    linesOf(guest, ['sh', '-c', UUIDS, 'sh', LIBUUID], options),
    linesOf(guest, ['python3', '-c', secrets], options),
  ]);
  const draws = Array.from({ length: Math.floor(bytes.length / DRAW_BYTES) }, (_, index) =>
    bytes.toString('hex', index * DRAW_BYTES, (index + 1) * DRAW_BYTES),
  );
  return new Map<Source, string[]>([
    ['/dev/urandom', draws],
    ['uuidgen', ids],
    ["Python's secrets", tokens],
  ]);
}

async function readClock(guest: Guest, options: Abortable): Promise<ClockReading> {
  let best: ClockReading = { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY };
  for (let reading = 0; reading < CLOCK_READINGS; reading += 1) {
    const sentAtMs = Date.now();
    const [digits = ''] = await linesOf(guest, ['date', '+%s%3N'], options);
    const tookMs = Date.now() - sentAtMs;
    if (!/^[0-9]{13}$/.test(digits)) {
      throw new AppError(
        'GUEST_PROTOCOL',
        `Cannot read the clock of "${guest.name}": date prints no milliseconds`,
      );
    }
    const uncertaintyMs = tookMs / 2;
    if (uncertaintyMs < best.uncertaintyMs) {
      best = { offsetMs: Number(digits) - (sentAtMs + uncertaintyMs), uncertaintyMs };
    }
  }
  return best;
}
