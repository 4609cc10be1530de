import { type FileHandle, open, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Abortable } from '../../../../base/abort.ts';
import { abortable } from '../../../../base/async.ts';
import { ResourceStack } from '../../../../base/resource-stack.ts';
import { listenUnix } from '../../../../base/unix-socket.ts';
import type { SavedGuest } from '../../../../core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { runtimeFiles } from '../runtime-files.ts';
import { type ReceiverProcess, runReceiver } from './receiver-process.ts';

/** Receives one guest that its QEMU migrates. */
export interface GuestReceiver extends AsyncDisposable {
  /** the socket to migrate it to */
  readonly socketPath: string;
  /**
   * Returns why a failed migration failed, when the cause is on this side; `undefined` otherwise. QEMU may
   * only know that nobody reads any more.
   */
  fault(options: Abortable): Promise<unknown>;
  /**
   * Waits until everything has arrived and is written. @throws {AppError} VMM_SAVE_FAILED; errno of a file.
   */
  finish(options: Abortable): Promise<void>;
  /** Keeps the files: disposing leaves them from now on. */
  keep(): void;
}

/** What receiving needs. */
export interface ReceiveOptions extends Abortable {
  /** the program `banger-receive` */
  receiver: ReceiverProcess['argv'];
  env: NodeJS.ProcessEnv;
}

/**
 * Creates the files `to` and waits for the guest of `spec` on a socket, because QEMU's seccomp filter does
 * not let it start a program that would write a file. The memory goes into a sparse file, the device state
 * into the other one. Disposing deletes the files, unless {@link GuestReceiver.keep} was called.
 *
 * @throws errno of the files, `EEXIST` when one exists.
 */
export async function receiveGuest(
  { spec, to }: { spec: VmSpec; to: SavedGuest },
  { receiver, env, signal }: ReceiveOptions,
): Promise<GuestReceiver> {
  const { saveSocket } = runtimeFiles(spec.runtimeDir);
  const sizeBytes = spec.memoryMib * 2 ** 20;
  await using undo = new ResourceStack();
  let isKept = false;
  const create = async (path: string): Promise<FileHandle> => {
    const file = await open(path, 'wx', 0o600);
    undo.defer(`remove "${path}"`, async () => {
      await file.close();
      if (!isKept) await rm(path, { force: true });
    });
    return file;
  };
  const [memory, state] = [await create(to.memoryPath), await create(to.statePath)];
  await memory.truncate(sizeBytes);
  const arrival = Promise.withResolvers<void>();
  arrival.promise.catch(() => {});
  await rm(saveSocket, { force: true });
  const stop = new AbortController();
  let hasBegun = false;
  const server = createServer({ pauseOnConnect: true }, (connection) => {
    hasBegun = true;
    server.close();
    const process = { argv: receiver, env, files: { memory, state }, sizeBytes };
    runReceiver(connection, process, { signal: stop.signal }).then(arrival.resolve, arrival.reject);
  });
  server.on('error', arrival.reject);
  let folder: Disposable | undefined;
  undo.defer('let go of the folder', () => folder?.[Symbol.dispose]());
  undo.defer('close the socket', async () => {
    server.close();
    stop.abort();
    if (hasBegun) await arrival.promise.catch(() => {});
    await rm(saveSocket, { force: true });
  });
  folder = await listenUnix(server, saveSocket);
  signal.throwIfAborted();
  const owned = undo.move();
  return {
    socketPath: saveSocket,
    // QEMU has closed the connection, so its reader is ending.
    fault: async (options) => {
      const outcome = arrival.promise.catch((error: unknown) => error);
      return hasBegun ? await abortable(outcome, options.signal) : undefined;
    },
    finish: async (options) => {
      await abortable(arrival.promise, options.signal);
    },
    keep: () => {
      isKept = true;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
