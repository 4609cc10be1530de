import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import { openRegularFile, readSmallFile } from '../small-file.ts';
import type { GitFolders } from './own-git-folder.ts';

/** A full name of an object, and nothing else. */
const OBJECT_LINE = /^([0-9a-f]{40}|[0-9a-f]{64})\n$/;

/** Only branches: some other refs of a linked working tree are in a folder of its own. */
const BRANCH_LINE = /^ref: (refs\/heads\/[^\0\n]+)\n$/;

/**
 * The commit of HEAD, without starting git; `undefined` when git has to be asked: the branch is packed, does
 * not exist, or its refs are not files.
 */
export async function readHeadFile({
  gitDir,
  commonDir,
}: Pick<GitFolders, 'gitDir' | 'commonDir'>): Promise<string | undefined> {
  const head = await lineOf(join(gitDir, 'HEAD'));
  const [, commit] = OBJECT_LINE.exec(head) ?? [];
  if (commit !== undefined) return commit;
  const [, branch] = BRANCH_LINE.exec(head) ?? [];
  if (branch === undefined || branch.split('/').includes('..')) return undefined;
  return OBJECT_LINE.exec(await lineOf(join(commonDir, branch)))?.[1];
}

/**
 * The branch that HEAD is on, latin1, without starting git: absent when HEAD is detached. `undefined` when
 * git has to be asked: HEAD is something else, or its refs are not files.
 */
export async function readHeadBranch({
  gitDir,
}: Pick<GitFolders, 'gitDir'>): Promise<{ ref?: string } | undefined> {
  const head = await lineOf(join(gitDir, 'HEAD'), 'latin1');
  if (OBJECT_LINE.test(head)) return {};
  const [, ref] = BRANCH_LINE.exec(head) ?? [];
  // Where refs are not files, HEAD names a branch that no repository can have.
  return ref === undefined || /\/\.|\.\./.test(ref) ? undefined : { ref };
}

async function lineOf(path: string, encoding: 'utf8' | 'latin1' = 'utf8'): Promise<string> {
  return (await readSmallFile(path, { followLink: false }))?.toString(encoding) ?? '';
}

/**
 * What changes whenever git writes the index: git always writes a new file. `undefined` when there is none.
 */
export async function indexStamp({ gitDir }: Pick<GitFolders, 'gitDir'>): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await lstat(join(gitDir, 'index'), { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

/** An index begins with "DIRC", its version and the number of its entries, 4 bytes each. */
const COUNT_AT = 8;

/**
 * How many files the index has, without starting git; 0 when there is none that we may read. A split index
 * has others elsewhere.
 */
export async function countIndexed({ gitDir }: Pick<GitFolders, 'gitDir'>): Promise<number> {
  await using file = await openRegularFile(join(gitDir, 'index'), { followLink: false });
  if (!file) return 0;
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(COUNT_AT + 4), position: 0 });
  return bytesRead < buffer.length ? 0 : buffer.readUInt32BE(COUNT_AT);
}
