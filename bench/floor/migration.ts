import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Abortable, poll } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import { type SavedGuest, whileRestored } from './saved-guest.ts';

const DEADLINE_MS = 60_000;

/**
 * Returns the `ms` that QEMU's own migration of a guest with its memory takes, through a socket into a file:
 * the cost of saving a guest without banger. The guest is paused, so QEMU sends each page once.
 */
export async function migrationFloorMs(
  guest: SavedGuest,
  options: Abortable & { dir: string },
): Promise<number> {
  const { signal } = options;
  return await whileRestored(guest, options, async ({ qmp, dir }) => {
    const path = join(dir, 'm');
    const { promise: written, resolve, reject } = Promise.withResolvers<void>();
    await using file = await open(join(dir, 'saved'), 'wx');
    await using server = createServer({ pauseOnConnect: true }, (socket) => {
      // Nothing reads a socket into a file with less.
      const child = spawn('cat', { stdio: [socket, file.fd, 'inherit'] });
      child.once('exit', () => resolve()).once('error', reject);
      socket.destroy();
    });
    await new Promise<void>((listening) => server.listen(path, listening));
    await qmp.execute('migrate-set-parameters', { 'max-bandwidth': 8e9 });
    const begun = performance.now();
    await qmp.execute('stop');
    await qmp.execute('migrate', { uri: `unix:${path}` });
    const isDone = async (): Promise<true | undefined> => {
      const { status } = (await qmp.execute('query-migrate')) as { status: string };
      invariant(status !== 'failed', 'the migration of a floor succeeds');
      return status === 'completed' || undefined;
    };
    await poll(isDone, { everyMs: 1, deadlineMs: DEADLINE_MS, what: 'a migration', signal });
    await written;
    return performance.now() - begun;
  });
}
