import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { Abortable } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';

/**
 * More than the rest of a frame that an earlier host of a saved guest may have left half-sent
 * (docs/agent-protocol.md).
 */
const PADDING = Buffer.alloc(16 * 1024 + 9, '\n');

/** Frames of an exec stream that are used here (docs/agent-protocol.md). */
const FRAME = { start: 0, stdinEnd: 2, exit: 19 };
const FRAME_HEADER_BYTES = 5;

/**
 * Connects to the guest's agent and runs `true`, with the least of the agent's protocol: no retries, no
 * checks, no state. Closes the connection when the exit status has arrived.
 */
export async function runTrue(socket: Socket, { signal }: Abortable): Promise<void> {
  const nonce = randomBytes(16).toString('hex');
  const hello = `BANGER/1 ${nonce}\n`;
  socket.write(Buffer.concat([PADDING, Buffer.from(hello)]));
  let heard = Buffer.alloc(0);
  while (!heard.includes(hello)) {
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
    heard = Buffer.concat([heard, chunk]);
  }
  socket.pause();
  const session = connect('http://guest', { createConnection: () => socket });
  try {
    const stream = session.request({ ':method': 'POST', ':path': '/exec' }, { endStream: false });
    stream.write(frame(FRAME.start, JSON.stringify({ argv: ['true'] })));
    stream.end(frame(FRAME.stdinEnd, ''));
    const chunks: Buffer[] = [];
    for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
    invariant(exitOf(Buffer.concat(chunks)) === '{"code":0}', 'the command of a floor succeeds');
  } finally {
    session.destroy();
  }
}

function frame(type: number, payload: string): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(Buffer.byteLength(payload), 1);
  return Buffer.concat([header, Buffer.from(payload)]);
}

/** How the command ended, from the last frame. */
function exitOf(bytes: Buffer): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    const end = at + FRAME_HEADER_BYTES + bytes.readUInt32BE(at + 1);
    if (bytes[at] === FRAME.exit) return bytes.subarray(at + FRAME_HEADER_BYTES, end).toString('utf8');
    at = end;
  }
  return undefined;
}
