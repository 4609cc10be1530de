import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import { initrdName, isInitrdFile } from '../layout.ts';

/**
 * `ms` for which an initrd that a start has used stays: a start of another version of banger, which shares
 * the store, may be between looking for its initrd and having its VMM read it.
 */
const KEEP_USED_MS = 3600 * 1000;

/** An initrd, or what a program that was killed has left of one. */
export interface InitrdFile {
  name: string;
  /** on disk */
  bytes: number;
  usedMs: number;
}

/** The initrds of the kernel in `dir`. */
export async function initrdsIn(dir: string): Promise<InitrdFile[]> {
  const found: InitrdFile[] = [];
  for (const name of await readdir(dir)) {
    if (!isInitrdFile(name)) continue;
    try {
      const { blocks, mtimeMs } = await stat(join(dir, name));
      found.push({ name, bytes: blocks * 512, usedMs: mtimeMs });
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return found;
}

/** Name of the initrd with the agent at `agentPath`; `undefined` when there is no such file. */
export async function currentInitrd(agentPath: string): Promise<string | undefined> {
  try {
    return initrdName(
      createHash('sha256')
        .update(await readFile(agentPath))
        .digest('hex'),
    );
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Those that neither have the `current` name nor were used lately. */
export async function oldInitrdsIn(dir: string, current: string | undefined): Promise<InitrdFile[]> {
  const untilMs = Date.now() - KEEP_USED_MS;
  return (await initrdsIn(dir)).filter(({ name, usedMs }) => name !== current && usedMs < untilMs);
}

/** Notes that a start uses the initrd at `path`. It may have gone meanwhile. */
export async function noteUse(path: string): Promise<void> {
  const now = new Date();
  try {
    await utimes(path, now, now);
  } catch (error) {
    // Those who may only read the store do not remove anything either.
    if (!isErrno(error, 'ENOENT', 'EPERM', 'EACCES', 'EROFS')) throw error;
  }
}

/** Removes initrds of the kernel in `dir`. Idempotent. */
export async function removeInitrds(dir: string, files: readonly InitrdFile[]): Promise<void> {
  for (const { name } of files) await rm(join(dir, name), { force: true });
}
