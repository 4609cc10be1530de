import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../src/base/abort.ts';
import { exec } from '../src/base/process/exec.ts';

/** Files in a folder, and lines of each file: about 2 KiB, as source files are. */
const FILES_PER_FOLDER = 100;
const LINES = 40;

/** Creates a git repository with `count` committed files at `path`, which it empties first. */
export async function makeRepository(path: string, count: number, { signal }: Abortable): Promise<void> {
  await rm(path, { recursive: true, force: true });
  for (let index = 0; index < count; index += 1) {
    const folder = join(path, `folder-${Math.floor(index / FILES_PER_FOLDER)}`);
    if (index % FILES_PER_FOLDER === 0) await mkdir(folder, { recursive: true });
    const line = `line of file ${index}, which says nothing of interest\n`;
    await writeFile(join(folder, `file-${index}.txt`), line.repeat(LINES));
  }
  await commitAll(path, { signal });
}

/** Makes a folder a git repository with one commit of everything in it. */
export async function commitAll(path: string, { signal }: Abortable): Promise<void> {
  const git = (...args: string[]): Promise<unknown> =>
    exec(['git', '-C', path, '-c', 'user.name=bench', '-c', 'user.email=bench@example.org', ...args], {
      signal,
    });
  await git('init', '--quiet');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'a tree');
}

/** Changes `count` files of such a repository without a commit. */
export async function editFiles(path: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const file = join(path, `folder-${Math.floor(index / FILES_PER_FOLDER)}`, `file-${index}.txt`);
    await writeFile(file, 'edited\n');
  }
}
