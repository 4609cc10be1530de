import { readSync } from 'node:fs';
import { isErrno, messageOf } from '../../../../base/errors.ts';
import { MemoryFile, writeAll } from './memory-file.ts';
import { type GuestMemory, MigrationStream } from './migration-stream.ts';
import { RECEIVER } from './receiver-terms.ts';

// The program `banger-receive`: receives a guest that a QEMU migrates to its stdin, and writes its memory and
// device state to files that are already open. Its arguments are QEMU's name of the memory and the memory's
// size in bytes. It exits with status 0, or with another of `RECEIVER.status` and the reason on stderr.
//
// It is a separate process so that it can block on each read and write and reuse one buffer. That takes a
// fifth of the time of streams in the daemon, which has other work meanwhile. Import nothing here that opens
// `process.stdin` (node:child_process does so in a module): that makes it non-blocking.

/** More than a socket buffers, and longer than any record. */
const BUFFER_BYTES = 2 ** 20;

function receive({ id, sizeBytes }: GuestMemory): void {
  const memory = new MemoryFile(RECEIVER.fd.memory, sizeBytes);
  const stream = new MigrationStream({ id, sizeBytes }, memory);
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  for (let held = 0; ; ) {
    const count = readSync(RECEIVER.fd.stream, buffer, held, buffer.length - held, null);
    if (count === 0) break;
    const used = stream.push(buffer.subarray(0, held + count));
    buffer.copyWithin(0, used, held + count);
    held += count - used;
  }
  const state = stream.finish();
  memory.flush();
  writeAll(RECEIVER.fd.state, state, 0);
}

try {
  const [id = '', sizeBytes] = process.argv.slice(2);
  receive({ id, sizeBytes: Number(sizeBytes) });
} catch (error) {
  process.stderr.write(messageOf(error));
  process.exitCode = isErrno(error, 'ENOSPC', 'EDQUOT') ? RECEIVER.status.full : RECEIVER.status.failed;
}
