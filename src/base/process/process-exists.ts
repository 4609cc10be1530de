import { isErrno } from '../errors.ts';

/** Whether a process has this id. One that belongs to another user counts. */
export function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return !isErrno(error, 'ESRCH');
  }
}
