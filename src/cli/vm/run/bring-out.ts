import { mkdir } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import { type PathPattern, pathPattern } from '../../../base/text/path-pattern.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import { DEFAULT_LIMITS } from '../cp/copy-limits.ts';
import { unpackHost } from '../cp/unpack-host.ts';

/** Which files of a guest are brought to which folder of this host. */
export interface WayOut {
  /** relative ones begin at `from` */
  patterns: readonly string[];
  /** absolute */
  dir: string;
}

/** What was brought out. Fields are added, never changed. */
export interface OutReport {
  /** absolute */
  dir: string;
  /** files, folders and links */
  entries: number;
  bytes: number;
  /** patterns that match nothing */
  unmatched: string[];
}

/**
 * Copies the files that match out of a guest, below `dir` at the paths that they have below `from`. Git
 * folders are left out, and what git could run on this host, as by `vm cp`. After a failure, what was copied
 * so far stays.
 *
 * @throws {AppError} COPY_*, TAR_DAMAGED, VM_*, GUEST_*
 */
export async function bringOut(
  client: BangerClient,
  vmId: string,
  { patterns, dir, from, signal }: Abortable & WayOut & { from: string },
): Promise<OutReport> {
  await makeDir(dir);
  const report: OutReport = { dir, entries: 0, bytes: 0, unmatched: [] };
  for (const text of patterns) {
    const found = await bringMatching(client, vmId, { text, dir, from, signal });
    report.entries += found.entries;
    report.bytes += found.bytes;
    if (found.entries === 0) report.unmatched.push(text);
  }
  return report;
}

async function bringMatching(
  client: BangerClient,
  vmId: string,
  { text, dir, from, signal }: Abortable & { text: string; dir: string; from: string },
): Promise<{ entries: number; bytes: number }> {
  // Names in an archive are bytes.
  const pattern = pathPattern(Buffer.from(text).toString('latin1'));
  const top = text.startsWith('/') ? '/' : from;
  const place = Buffer.from(pattern.place, 'latin1').toString('utf8');
  const path = posix.join(top, place);
  let kind: string;
  try {
    ({ kind } = await client.statInGuest(vmId, path, { signal }));
  } catch (error) {
    if (isAppError(error, 'GUEST_PATH_NOT_FOUND')) return { entries: 0, bytes: 0 };
    throw error;
  }
  const tar = client.readFromGuest(vmId, path, { signal, marksHoles: true });
  const select = selection(pattern, { isFile: kind !== 'directory' });
  return await unpackHost(tar, {
    ...{ dir, isNew: false, umask: process.umask(), limits: DEFAULT_LIMITS, takesAll: false, signal },
    select,
  });
}

/** Returns where an entry of an archive goes below the folder of this host; `undefined` leaves it out. */
function selection(
  { place, matches }: PathPattern,
  { isFile }: { isFile: boolean },
): (name: Buffer) => Buffer | undefined {
  return (name) => {
    const inPlace = name
      .toString('latin1')
      .split('/')
      .filter((part) => part !== '' && part !== '.');
    const path = [...(place === '' ? [] : [place]), ...(isFile ? [] : inPlace)].join('/');
    if (path === '' || !matches(path) || path.split('/').includes('.git')) return undefined;
    return Buffer.from(path, 'latin1');
  };
}

async function makeDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (error) {
    if (!isErrno(error, 'EEXIST', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENAMETOOLONG'))
      throw error;
    throw new AppError('COPY_FAILED', `Cannot make "${dir}": ${messageOf(error)}`, { cause: error });
  }
}
