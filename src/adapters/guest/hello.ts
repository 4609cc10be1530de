import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { RetryPauses } from '../../base/retry-pauses.ts';
import { formatTime } from '../../base/text/words.ts';
import { type AgentGenerations, speaksGeneration } from '../../protocol/guest.ts';
import { restartHint, type Subject, unreachable } from './errors.ts';

/** Pauses before the second hello and each further one: a guest that still boots may not be reading yet. */
const RESEND = { firstMs: 250, longestMs: 4_000 };

/**
 * Line feeds in front of every hello, except the first one to a guest that was not restored. The agent may
 * still be parsing an HTTP/2 frame that an earlier host left half-sent. There are more line feeds than the
 * longest frame and its header have bytes, and they cannot be read as a header themselves.
 */
const PADDING = Buffer.alloc(16 * 1024 + 9, '\n');

/** Longest hello: `BANGER/` and nine digits, a space, 32 digits, a line feed. */
const LONGEST_HELLO_BYTES = 50;

/**
 * How many bytes before the echo are read before a pause, and its length: a guest that writes without end
 * costs the host little, and what an earlier connection has left takes no longer. After `manyBytes`, which is
 * more than anybody leaves, the pauses are longer.
 */
const NOISE = { bytes: 256 * 1024, pauseMs: 25, manyBytes: 8 * 2 ** 20, longPauseMs: 200 };

/** How the agent is contacted. */
export interface MeetOptions extends Abortable {
  deadlineMs: number;
  /** for errors */
  subject: Subject;
  /** the generations that the host speaks */
  generations: AgentGenerations;
  /** an earlier host may have been cut off in the middle of a frame */
  isRestored?: boolean;
}

/**
 * Exchanges hellos with the agent on a fresh socket and returns the generation to speak: the host's newest,
 * or that of an older agent within the host's range. Sends hellos until the agent echoes the latest one, and
 * discards everything before that echo. Afterwards the socket is paused and holds what followed the echo.
 *
 * @throws {AppError} GUEST_UNREACHABLE after `deadlineMs` or when the socket ends; GUEST_GENERATION when the
 * agent's generation is outside the range. The caller closes the socket.
 */
export async function meet(
  socket: Socket,
  { signal, deadlineMs, subject, generations, isRestored = false }: MeetOptions,
): Promise<number> {
  signal.throwIfAborted();
  const { promise: met, resolve, reject } = Promise.withResolvers<number>();
  const echo = new EchoFinder();
  let offered = generations.newest;
  const pauses = new RetryPauses(RESEND);
  let resend: NodeJS.Timeout | undefined;
  let resume: NodeJS.Timeout | undefined;
  let noiseBytes = 0;
  let allNoiseBytes = 0;

  const say = (padding: Buffer[]): void => {
    const nonce = randomBytes(16).toString('hex');
    echo.expect(nonce);
    socket.write(Buffer.concat([...padding, Buffer.from(`BANGER/${offered} ${nonce}\n`)]));
    resend = setTimeout(() => say([PADDING]), pauses.next());
  };
  const listen = (chunk: Buffer): void => {
    const found = echo.push(chunk);
    if (found === undefined) {
      noiseBytes += chunk.length;
      if (noiseBytes < NOISE.bytes) return;
      allNoiseBytes += noiseBytes;
      noiseBytes = 0;
      socket.pause();
      const { manyBytes, pauseMs, longPauseMs } = NOISE;
      resume = setTimeout(() => socket.resume(), allNoiseBytes < manyBytes ? pauseMs : longPauseMs);
      return;
    }
    const { generation, rest } = found;
    if (
      generation !== offered &&
      offered === generations.newest &&
      speaksGeneration(generation, generations)
    ) {
      // The agent named its own generation and expects a hello with that one. Ignore everything it sends
      // before it has received that hello.
      offered = generation;
      clearTimeout(resend);
      say([]);
      return;
    }
    socket.pause();
    if (rest.length > 0) socket.unshift(rest);
    if (generation === offered) resolve(generation);
    else if (offered === generations.newest) reject(otherGeneration(subject, generation, generations));
    else reject(unreachable(subject, `it named generation ${offered}, then ${generation}`));
  };
  const end = (cause?: Error): void => reject(unreachable(subject, 'the connection was closed', cause));
  const atClose = (): void => end();
  const deadline = setTimeout(
    () => reject(unreachable(subject, `no answer within ${formatTime(deadlineMs)}`)),
    deadlineMs,
  );
  using _abort = onAbort(signal, () => reject(signal.reason));
  socket.on('data', listen).on('error', end).on('close', atClose).on('end', atClose);
  try {
    say(isRestored ? [PADDING] : []);
    return await met;
  } finally {
    clearTimeout(deadline);
    clearTimeout(resend);
    clearTimeout(resume);
    socket.off('data', listen).off('error', end).off('close', atClose).off('end', atClose);
  }
}

/** Finds the echo of the latest nonce in a stream that may contain anything before it. */
export class EchoFinder {
  #nonce = '';
  #tail: Buffer = Buffer.alloc(0);

  /** From now on, only an echo of `nonce` counts. */
  expect(nonce: string): void {
    this.#nonce = nonce;
  }

  /**
   * Takes the next chunk. Once the echo has arrived, returns its generation and the bytes that followed it.
   */
  push(chunk: Buffer): { generation: number; rest: Buffer } | undefined {
    const seen = Buffer.concat([this.#tail, chunk]);
    const ending = ` ${this.#nonce}\n`;
    for (let at = seen.indexOf(ending); at >= 0; at = seen.indexOf(ending, at + 1)) {
      const before = seen.subarray(Math.max(0, at - LONGEST_HELLO_BYTES), at).toString('latin1');
      const digits = /BANGER\/([0-9]{1,9})$/.exec(before)?.[1];
      if (digits !== undefined)
        return { generation: Number(digits), rest: seen.subarray(at + ending.length) };
    }
    this.#tail = Buffer.from(seen.subarray(-LONGEST_HELLO_BYTES));
    return undefined;
  }
}

function otherGeneration(
  { endpoint, vmName }: Subject,
  generation: number,
  { oldest, newest }: AgentGenerations,
): AppError {
  const ours = oldest === newest ? `${newest}` : `${oldest} to ${newest}`;
  return new AppError(
    'GUEST_GENERATION',
    `Cannot talk to the guest agent at "${endpoint}": it speaks generation ${generation}, this program ${ours}`,
    {
      hint: restartHint(vmName),
      details: { generation, oldest, newest },
    },
  );
}
