import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { AppError, isErrno } from '../../src/base/errors.ts';

/** A minimal control connection: one command at a time, each with its answer. */
export interface Qmp extends Disposable {
  execute(command: string, args?: object): Promise<unknown>;
}

interface Answer {
  return?: unknown;
  error?: { desc: string };
}

const CONNECT_DEADLINE_MS = 20_000;

/** Connects to the control socket of a QEMU that is starting. Any refusal is an error. */
export async function openQmp(path: string, { signal }: Abortable): Promise<Qmp> {
  const socket = await connectWhenThere(path, { signal });
  const waiters: ((answer: Answer) => void)[] = [];
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line) as Answer;
    if ('return' in message || 'error' in message) waiters.shift()?.(message);
  });
  const execute = async (command: string, args: object = {}): Promise<unknown> => {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiters.push(resolve);
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await promise;
    if (!answer.error) return answer.return;
    throw new AppError('VMM_REFUSED', `Cannot run "${command}" in the VMM: ${answer.error.desc}`);
  };
  await execute('qmp_capabilities');
  return { execute, [Symbol.dispose]: () => socket.destroy() };
}

/** Connects to a Unix socket as soon as something listens there. */
export async function connectWhenThere(path: string, { signal }: Abortable): Promise<Socket> {
  const attempt = async (): Promise<Socket | undefined> => {
    const socket = connect(path);
    try {
      await once(socket, 'connect', { signal });
      return socket;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) return undefined;
      throw error;
    }
  };
  return await poll(attempt, { everyMs: 1, deadlineMs: CONNECT_DEADLINE_MS, what: `"${path}"`, signal });
}
