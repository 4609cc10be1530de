import { type Abortable, onAbort } from '../../base/abort.ts';
import { isRecord } from '../../base/json-schema/check.ts';
import { connectUnix } from '../../base/unix-socket.ts';
import { SYSTEM } from '../../config/system-install.ts';

/** What the helper says of itself. */
export interface HelperStatus {
  version: string;
  owner: number;
}

const DEADLINE_MS = 5_000;
const MAX_ANSWER_CHARS = 64 * 1024;

/** Asks the helper for its status; `undefined` when it does not answer this user. */
export async function askHelper(
  { signal }: Abortable,
  path: string = SYSTEM.helperSocket,
): Promise<HelperStatus | undefined> {
  const answer = await request(path, { signal });
  try {
    const value: unknown = JSON.parse(answer);
    if (!isRecord(value) || value['ok'] !== true || !isRecord(value['result'])) return undefined;
    const { version, owner } = value['result'];
    return typeof version === 'string' && typeof owner === 'number' ? { version, owner } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Returns what came until the helper hung up; nothing when it cannot be reached. */
async function request(path: string, { signal }: Abortable): Promise<string> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connectUnix(path);
  using _listener = onAbort(signal, () => reject(signal.reason));
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(DEADLINE_MS, () => resolve(''));
  socket.on('data', (chunk) => {
    text += String(chunk);
    if (text.length > MAX_ANSWER_CHARS) resolve('');
  });
  socket.on('error', () => resolve(''));
  socket.on('close', () => resolve(text));
  socket.write('{"version":1,"operation":"status","operation_id":"system-status"}\n');
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
