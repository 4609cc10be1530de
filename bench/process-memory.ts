import { readFile } from 'node:fs/promises';
import { invariant } from '../src/base/errors.ts';

/** Memory of a process, in `MiB`. */
export interface ProcessMemory {
  /** its private pages, which would be free without it */
  privateMib: number;
  /** the private pages and its share of pages that several processes use */
  pssMib: number;
}

/** Memory that only this process has, in `MiB`: the pages that it has written. */
export interface UniqueMemory {
  allMib: number;
  /** of those, the pages of a file that it maps privately */
  ofFileMib: number;
}

/** Adds up `Private_Dirty` of `/proc/PID/smaps` (proc(5)). */
export async function uniqueMemoryOf(pid: number, path: string): Promise<UniqueMemory> {
  const text = await readFile(`/proc/${pid}/smaps`, 'utf8');
  const unique: UniqueMemory = { allMib: 0, ofFileMib: 0 };
  let isOfFile = false;
  for (const line of text.split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) isOfFile = line.endsWith(` ${path}`);
    const kib = Number(/^Private_Dirty: +([0-9]+) kB$/.exec(line)?.[1] ?? 0);
    unique.allMib += kib / 1024;
    if (isOfFile) unique.ofFileMib += kib / 1024;
  }
  return unique;
}

/** Reads `/proc/PID/smaps_rollup` (proc(5)). */
export async function memoryOf(pid: number): Promise<ProcessMemory> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (field: string): number => {
    const match = new RegExp(`^${field}: +([0-9]+) kB$`, 'm').exec(text);
    invariant(match, `smaps_rollup has no ${field}`);
    return Number(match[1]) / 1024;
  };
  return { privateMib: mib('Private_Clean') + mib('Private_Dirty'), pssMib: mib('Pss') };
}
