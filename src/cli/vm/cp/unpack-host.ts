import type { Abortable } from '../../../base/abort.ts';
import { readTar } from '../../../base/tar/read-tar.ts';
import { type CopyLimits, CopyMeter } from './copy-limits.ts';
import { GitGuard } from './git-guard.ts';
import { HostUnpacker } from './host-unpacker.ts';
import { type LeftOut, LeftOutList } from './left-out.ts';

/** What was unpacked. */
export interface HostUnpacked {
  entries: number;
  bytes: number;
  /** fifos, which are left out */
  skipped: number;
  /** what git could run on this host; the first of them, if they are many */
  leftOut: readonly LeftOut[];
  leftOutCount: number;
}

/** Where and how an archive of a guest is unpacked. */
export interface HostUnpackOptions extends Abortable {
  /** directory that exists */
  dir: string;
  /** true when it was made for this copy, and is empty */
  isNew: boolean;
  umask: number;
  limits: CopyLimits;
  /** whether what git could run on this host is copied too */
  takesAll: boolean;
}

/**
 * Unpacks an archive that a guest made into the directory `dir`, which must exist. Nothing outside of it is
 * touched: names that are absolute or go up are refused, and so is everything behind a parent that is no
 * directory of its own, such as a symlink, whatever it points to and wherever it came from. Symlinks are made
 * as the guest has them, and are followed by nothing here. An entry replaces the file or link in its place
 * once it is whole. Modes lose setuid, setgid and what the umask takes; owners are the user. Unless it
 * `takesAll`, what git could run on this host is left out ({@link GitGuard}). What was unpacked before a
 * failure stays, each file whole.
 *
 * @throws {AppError} COPY_REFUSED, COPY_TOO_LARGE, COPY_FAILED, TAR_DAMAGED.
 */
export async function unpackHost(
  tar: AsyncIterable<Buffer>,
  { dir, isNew, umask, limits, takesAll, signal }: HostUnpackOptions,
): Promise<HostUnpacked> {
  const root = Buffer.from(dir);
  const leftOut = new LeftOutList();
  const guard = takesAll ? undefined : await GitGuard.open(root, leftOut);
  const meter = new CopyMeter(limits, dir);
  const unpacker = new HostUnpacker({ root, isNew, umask, guard, meter, signal });
  try {
    for await (const item of readTar(tar)) {
      signal.throwIfAborted();
      await unpacker.add(item);
    }
    await unpacker.finish();
  } catch (error) {
    await guard?.abandon();
    throw error;
  }
  const { entries, bytes } = meter;
  return { entries, bytes, skipped: unpacker.skipped, leftOut: leftOut.told, leftOutCount: leftOut.count };
}
