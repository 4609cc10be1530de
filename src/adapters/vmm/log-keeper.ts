import { readFile } from 'node:fs/promises';
import { isErrno } from '../../base/errors.ts';
import type { VmmProcess } from '../../core/ports/vmm/running-vm.ts';
import { findByArgument, isGoneWithin, readVmmProcess } from './vmm-process.ts';

/**
 * A log keeper ends with its VMM, as soon as it has written the rest. Only an unresponsive disk takes longer.
 */
const WRITE_OUT_MS = 1_000;

/**
 * The processes that write the logs of the VMM with the pid `pid`: its children. Empty when the kernel does
 * not list children (CONFIG_PROC_CHILDREN), or when the VMM writes its logs itself.
 */
export async function logKeepersOf(pid: number): Promise<VmmProcess[]> {
  const found = await Promise.all((await childrenOf(pid)).map(readVmmProcess));
  return found.filter((keeper) => keeper !== undefined);
}

/** Waits until everything that an ended VMM has printed is in its logs. */
export async function logsAreWritten(keepers: readonly VmmProcess[]): Promise<void> {
  await Promise.all(keepers.map((keeper) => isGoneWithin(keeper, WRITE_OUT_MS)));
}

/**
 * Like {@link logsAreWritten}, for a VMM that ended before anybody listed its children. `path` is one of its
 * logs.
 */
export async function logIsWritten(path: string): Promise<void> {
  await logsAreWritten(await findByArgument('--keep', path));
}

async function childrenOf(pid: number): Promise<number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return [];
    throw error;
  }
}
