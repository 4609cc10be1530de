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
  /** what was left out because git could run it on this host; at most the first hundred */
  leftOut: readonly LeftOut[];
  leftOutCount: number;
}

/** Where and how to unpack an archive from a guest. */
export interface HostUnpackOptions extends Abortable {
  /** an existing directory */
  dir: string;
  /** true when it was made for this copy and is empty */
  isNew: boolean;
  umask: number;
  limits: CopyLimits;
  /** whether to also copy what git could run on this host */
  takesAll: boolean;
  /** where an entry goes instead of its name, or `undefined` to leave it out; it counts in any case */
  select?: (name: Buffer) => Buffer | undefined;
}

/**
 * Unpacks an archive from a guest into the existing directory `dir`. Touches nothing outside of it: refuses
 * names that are absolute or contain `..`, and every entry below a parent that is not a real directory, such
 * as a symlink, wherever it points and wherever it came from. Symlinks are created as the guest has them and
 * never followed. A new entry replaces an existing file or link only once it is complete. Modes lose setuid,
 * setgid and what the umask removes; the owner is the user. Unless `takesAll` is set, leaves out what git
 * could run on this host ({@link GitGuard}). After a failure, what was unpacked so far stays, each file
 * complete.
 *
 * @throws {AppError} COPY_REFUSED, COPY_TOO_LARGE, COPY_FAILED, TAR_DAMAGED.
 */
export async function unpackHost(
  tar: AsyncIterable<Buffer>,
  { dir, isNew, umask, limits, takesAll, select, signal }: HostUnpackOptions,
): Promise<HostUnpacked> {
  const root = Buffer.from(dir);
  const leftOut = new LeftOutList();
  const guard = takesAll ? undefined : await GitGuard.open(root, leftOut);
  const meter = new CopyMeter(limits, dir);
  const leftBySelection = new CopyMeter(limits, dir);
  const unpacker = new HostUnpacker({ root, isNew, umask, guard, meter, signal });
  try {
    for await (const item of readTar(tar)) {
      signal.throwIfAborted();
      const name = select ? select(item.entry.name) : item.entry.name;
      if (name === undefined) {
        leftBySelection.addEntry();
        leftBySelection.addBytes(item.entry.sizeBytes);
      } else await unpacker.add({ ...item, entry: { ...item.entry, name } });
    }
    await unpacker.finish();
  } catch (error) {
    await guard?.abandon();
    throw error;
  }
  const { entries, bytes } = meter;
  return { entries, bytes, skipped: unpacker.skipped, leftOut: leftOut.told, leftOutCount: leftOut.count };
}
