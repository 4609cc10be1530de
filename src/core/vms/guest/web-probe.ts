import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';

/** The protocol of a web server. */
export type WebScheme = 'http' | 'https';

/** Most ports of one guest to probe; it may listen on thousands. */
export const MAX_PROBED = 32;

/** `ms` for the first bytes of a server's answer; an emulated guest on a busy host is slow. */
export const ANSWER_DEADLINE_MS = 2_500;

/**
 * The first message of TLS 1.2 (RFC 5246, 7.4.1.2) with three suites and no name; a server may refuse it, and
 * says so in TLS:
 *
 *     16 0301 LEN | 01 LEN 0303 RANDOM(32) 00 | LEN suites | 01 00 | LEN extensions:
 *         groups, point formats, signatures
 */
const CLIENT_HELLO = Buffer.from(
  [
    ...['160301004b', '01000047', '0303', '00'.repeat(32), '00'],
    ...['0006', 'c02fc030009c', '0100'],
    ...['0018', '000a000400020017', '000b00020100', '000d0006000404010403'],
  ].join(''),
  'hex',
);

const HTTP_REQUEST = Buffer.from('HEAD / HTTP/1.0\r\n\r\n');

/**
 * Finds out whether a port of the guest is a web server. Tries plain HTTP and TLS at the same time, because a
 * server may wait for ever for the rest of a message that it does not understand. Returns `undefined` when
 * the port is not a web server, does not answer in time, or is closed.
 */
export async function speaksWeb(
  agent: GuestAgent,
  port: number,
  { signal, deadlineMs = ANSWER_DEADLINE_MS }: Abortable & { deadlineMs?: number },
): Promise<WebScheme | undefined> {
  const stop = new AbortController();
  const options = { signal: AbortSignal.any([signal, stop.signal]), deadlineMs };
  const inTls = firstAnswer(agent, port, { ...options, question: CLIENT_HELLO });
  const plain = firstAnswer(agent, port, { ...options, question: HTTP_REQUEST });
  // Awaited below.
  inTls.catch(() => {});
  try {
    const first = await plain;
    // A server that expects TLS may answer plain HTTP with an error.
    if (isHttp(first) && !isBadRequest(first)) return 'http';
    if (isTls(await inTls)) return 'https';
    return isHttp(first) ? 'http' : undefined;
  } finally {
    stop.abort();
    await Promise.allSettled([inTls, plain]);
  }
}

function isBadRequest(answer: Buffer | undefined): boolean {
  return answer?.toString('latin1', 8, 12) === ' 400';
}

/** A record of TLS: an alert or a handshake, of version 3. */
function isTls(answer: Buffer | undefined): boolean {
  return (answer?.[0] === 0x15 || answer?.[0] === 0x16) && answer[1] === 3;
}

function isHttp(answer: Buffer | undefined): boolean {
  return answer?.toString('latin1', 0, 5) === 'HTTP/';
}

/** The first bytes of the answer; empty when the port closes, `undefined` when none came in time. */
async function firstAnswer(
  agent: GuestAgent,
  port: number,
  { question, signal, deadlineMs }: Abortable & { question: Buffer; deadlineMs: number },
): Promise<Buffer | undefined> {
  const ask = async (inner: AbortSignal): Promise<Buffer> => {
    const stream = await agent.tcp(port, { signal: inner });
    try {
      stream.write(question);
      for await (const chunk of stream) return chunk as Buffer;
      return Buffer.alloc(0);
    } finally {
      stream.destroy();
    }
  };
  try {
    const what = `port ${port} to answer`;
    return await withDeadline(ask, { signal, deadlineMs, what });
  } catch (error) {
    // After any other failure the port does not count as a web server.
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return undefined;
  }
}
