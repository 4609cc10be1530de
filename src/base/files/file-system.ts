import { constants } from 'node:fs';
import { mkdir, open, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';
import { syncFolder } from './atomic-file.ts';
import { tryLock } from './file-lock.ts';

/**
 * File systems that lack something, or whose files other machines may change, by their number in statfs(2).
 */
const SPECIAL: Readonly<Record<number, { name: string; isRemote: boolean }>> = {
  1702057286: { name: 'FUSE', isRemote: false },
  26985: { name: 'NFS', isRemote: true },
  4283649346: { name: 'CIFS', isRemote: true },
  4266872130: { name: 'SMB', isRemote: true },
  20859: { name: 'SMB', isRemote: true },
  16914839: { name: '9p', isRemote: true },
  1397113167: { name: 'AFS', isRemote: true },
  12805120: { name: 'Ceph', isRemote: true },
  198183888: { name: 'Lustre', isRemote: true },
  2020557398: { name: 'vboxsf', isRemote: true },
  3133910204: { name: 'vmhgfs', isRemote: true },
  19780: { name: 'FAT', isRemote: false },
  538032816: { name: 'exFAT', isRemote: false },
  1397118030: { name: 'NTFS', isRemote: false },
};

/** The file system of a folder. */
export interface FileSystemKind {
  /**
   * `FUSE`, `NFS`, ...; `local` for every file system of this machine that has everything a program expects
   */
  name: string;
  /** other machines may use the same files, so processes cannot share memory through them */
  isRemote: boolean;
}

/** The file system of `dir`. */
export async function fileSystemOf(dir: string): Promise<FileSystemKind> {
  return kindOfType((await statfs(dir)).type);
}

/** The file system that a `type` of statfs(2) stands for. */
export function kindOfType(type: number): FileSystemKind {
  // Some architectures have a signed number here.
  return SPECIAL[type >>> 0] ?? { name: 'local', isRemote: false };
}

/** Results of the tests in a folder. */
export interface FileSystemFacts extends FileSystemKind {
  /** what does not work and is required by records and VMs, for people */
  missing: string[];
  /** false: holes in files take space, so memory and drives take their whole size */
  isSparse: boolean;
}

/**
 * Tests in the existing folder `dir` what VMs and their records need from a file system: permissions,
 * replacing an open file, reading a deleted file that is still open, locks. Takes a few milliseconds and
 * leaves nothing there.
 *
 * @throws errno of a folder that cannot be written to.
 */
export async function probeFileSystem(dir: string): Promise<FileSystemFacts> {
  const kind = await fileSystemOf(dir);
  const place = join(dir, `.try-${process.pid}`);
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { mode: 0o700 });
  try {
    const missing: string[] = [];
    for (const [what, attempt] of Object.entries(NEEDED)) {
      if (!(await works(() => attempt(place)))) missing.push(what);
    }
    return { ...kind, missing, isSparse: await works(() => isSparse(place)) };
  } finally {
    await rm(place, { recursive: true, force: true, maxRetries: 5, retryDelay: 10 });
  }
}

/** Each test, by what does not work when it fails. */
const NEEDED: Readonly<Record<string, (place: string) => Promise<boolean>>> = {
  'keep permissions': keepsModes,
  'replace a file that is open': replacesOpen,
  'keep a file that is deleted while it is open': keepsDeleted,
  'lock files': locks,
};

async function keepsModes(place: string): Promise<boolean> {
  const { mode, uid } = await stat(place);
  return (mode & 0o777) === 0o700 && uid === process.getuid?.();
}

async function replacesOpen(place: string): Promise<boolean> {
  const [old, young] = [join(place, 'old'), join(place, 'young')];
  await writeFile(old, 'old');
  await writeFile(young, 'young');
  await using file = await open(old, 'r');
  await rename(young, old);
  await syncFolder(place);
  await using replaced = await open(old, 'r');
  return (await file.readFile('utf8')) === 'old' && (await replaced.readFile('utf8')) === 'young';
}

async function keepsDeleted(place: string): Promise<boolean> {
  const path = join(place, 'deleted');
  await using file = await open(path, 'w+', 0o600);
  await file.write('content');
  await rm(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
  return buffer.toString('utf8', 0, bytesRead) === 'content';
}

async function locks(place: string): Promise<boolean> {
  using held = tryLock(join(place, 'lock'));
  return held !== undefined;
}

async function isSparse(place: string): Promise<boolean> {
  const path = join(place, 'sparse');
  await using file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  const bytes = 4 * 2 ** 20;
  await file.truncate(bytes);
  await file.write(Buffer.alloc(4096, 1), 0, 4096, bytes - 4096);
  await file.sync();
  return (await file.stat()).blocks * 512 < bytes / 2;
}

/**
 * False for any errno with which a file system reports a missing feature. Rethrows when it is full or the
 * folder is not writable.
 */
async function works(attempt: () => Promise<boolean>): Promise<boolean> {
  try {
    return await attempt();
  } catch (error) {
    const isOther = isErrno(error, 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EACCES', 'EROFS');
    if (isOther || !(error instanceof Error) || !('code' in error)) throw error;
    return false;
  }
}
