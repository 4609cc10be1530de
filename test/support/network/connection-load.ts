import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Abortable, neverAborts } from '../../../src/base/abort.ts';
import { breakSocket } from '../../../src/base/break-socket.ts';
import { until } from '../until.ts';

/** An echo server of a guest, as this host reaches it. */
export interface EchoPlace {
  address: string;
  port: number;
}

/** What a process uses. */
export interface ProcessUse {
  descriptorCount: number;
  memoryBytes: number;
}

/** Connections that run beside each other; each of them waits for the one before. */
const LANES = 4;

/** Makes connections one after another, half of which are cut off in the middle. */
export async function connectInSequence(
  place: EchoPlace,
  count: number,
  { signal }: Abortable = { signal: neverAborts() },
): Promise<void> {
  const lane = async (): Promise<void> => {
    for (let at = 0; at < count / LANES; at += 1) {
      signal.throwIfAborted();
      await visit(place, { isCut: at % 2 === 0 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/**
 * Opens connections at the same time and cuts off half of them; calls `meanwhile` before that.
 *
 * @throws when one of the others was not served.
 */
export async function connectAtOnce(
  { address, port }: EchoPlace,
  count: number,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const sockets = Array.from({ length: count }, () => connect(port, address));
  for (const socket of sockets) socket.on('error', () => {}).write('word');
  const [cut, kept] = [sockets.slice(0, count / 2), sockets.slice(count / 2)];
  await Promise.all(cut.slice(0, 10).map((socket) => once(socket, 'data')));
  await meanwhile();
  for (const socket of cut) breakSocket(socket);
  const words = await Promise.all(kept.map(async (socket) => String((await once(socket, 'data'))[0])));
  for (const socket of kept) socket.end();
  const wrong = words.filter((word) => word !== 'word');
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${kept.length} answers are wrong`);
}

/** Uploads to a port that does not read; they stop when all buffers on the way are full. */
export async function stallUploads({ address, port }: EchoPlace, count: number): Promise<Disposable> {
  const uploads = Array.from({ length: count }, () => connect(port, address).on('error', () => {}));
  const chunk = Buffer.alloc(2 ** 20);
  for (const upload of uploads) while (upload.writableLength < 16 * chunk.length) upload.write(chunk);
  const sentBytes = ({ bytesWritten, writableLength }: Socket): number => bytesWritten - writableLength;
  let before = -1;
  await until(
    () => {
      const now = uploads.reduce((sum, upload) => sum + sentBytes(upload), 0);
      const isStuck = now > 0 && now === before;
      before = now;
      return isStuck;
    },
    { everyMs: 500, what: 'the uploads to stall' },
  );
  return {
    [Symbol.dispose]: () => {
      for (const upload of uploads) upload.destroy();
    },
  };
}

/** What a process of this host uses: its open descriptors and the memory that would be free without it. */
export function useOf(pid: number): ProcessUse {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = (field: string): number =>
    Number(new RegExp(`^${field}: +([0-9]+) kB$`, 'm').exec(rollup)?.[1]);
  return {
    descriptorCount: readdirSync(`/proc/${pid}/fd`).length,
    memoryBytes: (kib('Private_Clean') + kib('Private_Dirty')) * 1024,
  };
}

/** What this process uses: only memory that is reachable. */
export function ownUse(): ProcessUse {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // A finalizer may free more, for the second time.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return { descriptorCount: readdirSync('/proc/self/fd').length, memoryBytes: heapUsed + external };
}

/** Sends a word, reads it, and then breaks the connection when `isCut`. */
async function visit({ address, port }: EchoPlace, { isCut }: { isCut: boolean }): Promise<void> {
  const socket = connect(port, address);
  socket.on('error', () => {});
  socket.write('word');
  await once(socket, 'data');
  if (isCut) breakSocket(socket);
  else socket.end();
  if (!socket.closed) await once(socket, 'close');
}
