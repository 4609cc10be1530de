import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../src/base/abort.ts';
import { commitAll } from './make-repository.ts';

/** As in Linux's sources. */
const FILES_PER_FOLDER = 15;
const FOLDERS_PER_FOLDER = 40;

/** Median of the sizes, and how far they are spread: a tenth of the files is larger than 45,000 bytes. */
const MEDIAN_BYTES = 7_000;
const SPREAD = 1.4;

/** Largest file, and how many lines of text they are cut from. */
const MAX_BYTES = 400_000;
const LINES = 20_000;

/**
 * Creates a git repository with `count` committed files at `path`, which does not exist yet: like a large
 * project's in number, size and depth, 1.4 GB for 78,000 files. Always the same one.
 */
export async function makeLargeRepository(path: string, count: number, options: Abortable): Promise<void> {
  const random = randomNumbers(1);
  const words = Array.from({ length: 4_000 }, () => Math.floor(random() * 2 ** 32).toString(36));
  const line = (): string =>
    `${Array.from({ length: 8 }, () => words[Math.floor(random() * words.length)]).join(' ')}\n`;
  const text = Buffer.from(Array.from({ length: LINES }, line).join(''));
  let made = '';
  for (let index = 0; index < count; index += 1) {
    options.signal.throwIfAborted();
    const folderNumber = Math.floor(index / FILES_PER_FOLDER);
    const parent = `part-${Math.floor(folderNumber / FOLDERS_PER_FOLDER)}`;
    const folder = join(path, parent, `folder-${folderNumber}`);
    if (folder !== made) await mkdir(folder, { recursive: true });
    made = folder;
    const size = Math.min(MAX_BYTES, Math.round(MEDIAN_BYTES * Math.exp(SPREAD * normal(random))));
    const from = Math.floor(random() * (text.length - MAX_BYTES));
    await writeFile(join(folder, `file-${index}.c`), text.subarray(from, from + size));
  }
  await commitAll(path, options);
}

/** A number of the standard normal distribution (Box-Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Numbers from 0 to 1 that look random and are always the same (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
