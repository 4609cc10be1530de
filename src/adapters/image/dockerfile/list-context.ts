import { constants } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno, messageOf } from '../../../base/errors.ts';
import type { IgnoreResult, IgnoreRules } from '../../../core/images/dockerfile/ignore-rules.ts';
import { type ContextLimits, contextInvalid, contextTooLarge } from './context-limits.ts';

/** The entries of a context that are sent. */
export interface ContextList {
  /** paths below the context's folder, as bytes; a folder comes before what is in it */
  paths: readonly Buffer[];
  sizeBytes: number;
}

interface Folder {
  path: Buffer;
  result?: IgnoreResult;
  isSent: boolean;
  /** of a folder that is ignored itself, until something in it is sent */
  parent?: Folder;
}

const SLASH = Buffer.from('/');

/**
 * Lists the files, folders and symlinks of a context that its rules do not ignore. Never follows a symlink,
 * and does not open ignored folders unless a rule may except something in them. Sockets, pipes and devices
 * are left out.
 *
 * @throws {AppError} IMAGE_CONTEXT_TOO_LARGE, IMAGE_CONTEXT_INVALID.
 */
export async function listContext(
  dir: string,
  { rules, limits, signal }: Abortable & { rules: IgnoreRules; limits: ContextLimits },
): Promise<ContextList> {
  const paths: Buffer[] = [];
  let sizeBytes = 0;
  const add = (path: Buffer, bytes: number): void => {
    paths.push(path);
    sizeBytes += bytes;
    if (sizeBytes > limits.maxBytes || paths.length > limits.maxEntries) throw contextTooLarge(dir, limits);
  };
  const open: Folder[] = [{ path: Buffer.alloc(0), isSent: true }];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    signal.throwIfAborted();
    for (const name of await namesIn(dir, folder.path)) {
      const path = folder.path.length === 0 ? name : Buffer.concat([folder.path, SLASH, name]);
      const found = await lookAt(dir, path);
      if (found === undefined) continue;
      const result = rules.look(path.toString('utf8'), folder.result);
      if (!result.isIgnored) {
        for (const above of unsentAbove(folder)) add(above.path, 0);
        add(path, found.sizeBytes);
      }
      if (found.isFolder && (!result.isIgnored || rules.hasExceptions)) {
        open.push({ path, result, isSent: !result.isIgnored, parent: folder });
      }
    }
  }
  return { paths, sizeBytes };
}

/** Marks an ignored folder and those above it as sent, because something in it is. Outermost first. */
function unsentAbove(folder: Folder): Folder[] {
  const unsent: Folder[] = [];
  for (let at: Folder | undefined = folder; at !== undefined && !at.isSent; at = at.parent) {
    at.isSent = true;
    unsent.unshift(at);
  }
  return unsent;
}

async function namesIn(dir: string, path: Buffer): Promise<Buffer[]> {
  try {
    const names = await readdir(below(dir, path), { encoding: 'buffer' });
    return names.sort(Buffer.compare);
  } catch (error) {
    // Removed meanwhile; tar then says so if it matters.
    if (isErrno(error, 'ENOENT') && path.length > 0) return [];
    throw contextInvalid(dir, `${path.toString()}: ${messageOf(error)}`, error);
  }
}

async function lookAt(
  dir: string,
  path: Buffer,
): Promise<{ isFolder: boolean; sizeBytes: number } | undefined> {
  try {
    const { mode, size } = await lstat(below(dir, path));
    switch (mode & constants.S_IFMT) {
      case constants.S_IFREG:
        return { isFolder: false, sizeBytes: size };
      case constants.S_IFDIR:
        return { isFolder: true, sizeBytes: 0 };
      case constants.S_IFLNK:
        return { isFolder: false, sizeBytes: 0 };
      default:
        return undefined;
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw contextInvalid(dir, messageOf(error), error);
  }
}

function below(dir: string, path: Buffer): Buffer {
  return path.length === 0 ? Buffer.from(dir) : Buffer.concat([Buffer.from(dir), SLASH, path]);
}
