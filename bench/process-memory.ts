import { readFile } from 'node:fs/promises';
import { invariant } from '../src/base/errors.ts';

/** Memory of a process, in `MiB`. */
export interface ProcessMemory {
  /** its own pages, which would be free without it */
  privateMib: number;
  /** the same, and its share of pages that several processes use */
  pssMib: number;
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
