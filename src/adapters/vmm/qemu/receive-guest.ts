import { type FileHandle, open, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { Abortable } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { SavedGuest, VmSpec } from '../../../core/ports/vmm.ts';
import { MEMORY_ID } from './argv.ts';
import { MemoryFile } from './memory-file.ts';
import { MigrationStream } from './migration-stream.ts';
import { runtimeFiles } from './runtime-files.ts';

/** Takes in one guest that its QEMU migrates. */
export interface GuestReceiver extends AsyncDisposable {
  /** where it is to be migrated to */
  readonly migrationUri: string;
  /** why the guest cannot be taken in: QEMU knows no more than that nobody reads on */
  readonly fault: unknown;
  /** Waits until all of it has come and is written. Disposing leaves the files from then on. @throws {AppError} VMM_SAVE_FAILED; errno of a file. */
  finish(options: Abortable): Promise<void>;
}

/**
 * Makes the files `to`, and waits for the guest of `spec` on a socket: QEMU's seccomp filter forbids it to start a program that would write a file. Its memory goes into a
 * sparse file, the rest beside it. Disposing removes the files, unless `finish` has succeeded.
 *
 * @throws errno of the files, `EEXIST` when there is one.
 */
export async function receiveGuest(
  { spec, to }: { spec: VmSpec; to: SavedGuest },
  { signal }: Abortable,
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
  let fault: unknown;
  arrival.promise.catch((error: unknown) => {
    fault = error;
  });
  await rm(saveSocket, { force: true });
  let connection: Socket | undefined;
  const server = createServer((socket) => {
    connection = socket;
    server.close();
    takeIn(socket, { memory, state, sizeBytes }).then(arrival.resolve, (error: unknown) => {
      socket.destroy();
      arrival.reject(error);
    });
  });
  server.on('error', arrival.reject);
  undo.defer('close the socket', async () => {
    server.close();
    connection?.destroy();
    // Nothing is written to a file that is closed.
    await (connection ? arrival.promise.catch(() => {}) : undefined);
    await rm(saveSocket, { force: true });
  });
  const { promise: listening, resolve: listens } = Promise.withResolvers<void>();
  server.listen(saveSocket, listens);
  await abortable(Promise.race([listening, arrival.promise]), signal);
  const owned = undo.move();
  return {
    migrationUri: `unix:${saveSocket}`,
    get fault() {
      return fault;
    },
    finish: async (options) => {
      await abortable(arrival.promise, options.signal);
      isKept = true;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function takeIn(
  socket: Socket,
  { memory, state, sizeBytes }: { memory: FileHandle; state: FileHandle; sizeBytes: number },
): Promise<void> {
  const pages = new MemoryFile(memory, sizeBytes);
  const stream = new MigrationStream({ id: MEMORY_ID, sizeBytes }, pages);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    stream.push(chunk);
    await pages.writeSome();
  }
  await pages.finish();
  await state.writeFile(stream.finish());
}
