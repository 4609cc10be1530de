import { readdirSync, readFileSync } from 'node:fs';
import { isErrno } from '../../base/errors.ts';

/**
 * Names of the programs that run on this host, as the kernel keeps them: the first 15 bytes. Undefined where
 * the processes of other users are hidden (`hidepid` of proc(5)).
 */
export function runningPrograms(proc = '/proc'): ReadonlySet<string> | undefined {
  if (nameOf(proc, '1') === undefined) return undefined;
  const ids = readdirSync(proc).filter((name) => /^[0-9]+$/.test(name));
  return new Set(ids.map((id) => nameOf(proc, id)).filter((name) => name !== undefined));
}

function nameOf(proc: string, id: string): string | undefined {
  try {
    return readFileSync(`${proc}/${id}/comm`, 'utf8').trimEnd();
  } catch (error) {
    // A process that has just ended is ESRCH or ENOENT.
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
