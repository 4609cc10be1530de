import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { bytePath } from '../byte-path.ts';
import { readSmallFile } from '../small-file.ts';
import { elsewhereError, type GitFolders } from './own-git-folder.ts';

/** The parts of a git folder that are read. Hooks, for example, are not, and may be links. */
const READ = /^(HEAD|config|config\.worktree|packed-refs|shallow|refs|objects|info|logs|reftable)$/;

/** Those whose content git itself reads to any depth. */
const READ_WHOLE = ['refs', 'objects', 'reftable'];

/** Number of folders that are listed at the same time. */
const LISTED_AT_ONCE = 16;

const SLASH = Buffer.from('/');

/**
 * Refuses a git folder that reads refs or objects from elsewhere, through links or `objects/info/alternates`.
 * An archive from others could name the object store of any repository of the user. It need not know a single
 * object name: an unfinished operation may abbreviate object names to seven digits, so a file of guesses
 * matches some objects in a large store, and with them all their history. A clone that shares objects looks
 * the same as such an archive, because the store that it names does not name it in turn. (Git reads
 * `http-alternates` only when it fetches, which it never does here.)
 *
 * @throws {AppError} WORKSPACE_GIT_ELSEWHERE
 */
export async function refuseLinksOut(repository: GitFolders, { signal }: Abortable): Promise<void> {
  const { root, gitDir, commonDir } = repository;
  const folders = [...new Set([gitDir, commonDir])];
  const inside = await Promise.all(folders.map((folder) => realpath(folder)));
  const check = async (path: Buffer): Promise<void> => {
    const target = await targetOf(path);
    if (target === undefined) return;
    if (target.isFile && inside.some((folder) => target.path.startsWith(folder + sep))) return;
    throw elsewhereError({
      root,
      what: `link "${relative(root, path.toString())}"`,
      target: target.path,
      why: 'refs and objects must be in the repository itself',
      hint: 'make a self-contained copy with git clone',
    });
  };
  const waiting: Buffer[] = [];
  for (const folder of folders) {
    for (const entry of await list(Buffer.from(folder))) {
      const name = entry.name.toString('latin1');
      if (entry.isSymbolicLink() && READ.test(name)) await check(bytePath(folder, name));
    }
    waiting.push(...READ_WHOLE.map((name) => bytePath(folder, name)));
  }
  for (let at = 0; at < waiting.length; ) {
    signal.throwIfAborted();
    const batch = waiting.slice(at, at + LISTED_AT_ONCE);
    at += batch.length;
    await Promise.all(
      batch.map(async (folder) => {
        for (const entry of await list(folder)) {
          if (!entry.isDirectory() && !entry.isSymbolicLink()) continue;
          const path = Buffer.concat([folder, SLASH, entry.name]);
          if (entry.isDirectory()) waiting.push(path);
          else await check(path);
        }
      }),
    );
  }
  await refuseAlternates(repository);
}

/** Lines that name another store; `#` begins a comment (gitrepository-layout(5)). */
async function refuseAlternates({ root, commonDir }: GitFolders): Promise<void> {
  const path = join(commonDir, 'objects/info/alternates');
  // At this point it can only be a link to a file inside the git folder.
  const content = await readSmallFile(path, { followLink: true });
  const target = content
    ?.toString('utf8')
    .split('\n')
    .find((line) => line !== '' && !line.startsWith('#'));
  if (target === undefined) return;
  throw elsewhereError({
    root,
    what: `file "${relative(root, path)}"`,
    target,
    why: 'objects must be in the repository itself: an archive from others could name any object store of yours',
    hint: `only if it is your own clone, copy those objects into it: git -C "${root}" repack -a -d -q && rm "${path}"`,
  });
}

async function list(folder: Buffer): Promise<Dirent<Buffer>[]> {
  try {
    return await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    // A link in place of a folder has already been checked as an entry of its parent.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** Where a link leads, and whether that is a file; `undefined` when the link or its target does not exist. */
async function targetOf(path: Buffer): Promise<{ path: string; isFile: boolean } | undefined> {
  try {
    const target = await realpath(path);
    return { path: target, isFile: (await stat(target)).isFile() };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}
