import { isErrno } from '../src/base/errors.ts';
import type { DetachedProcess } from '../src/base/process/exec.ts';

/** Kills a detached process and waits until it is gone. Does nothing when it has ended already. */
export async function endChild({ pid, exited }: DetachedProcess): Promise<void> {
  // A detached child does not keep this process alive, so something else must until it has gone.
  const alive = setInterval(() => {}, 1_000);
  try {
    process.kill(pid, 'SIGKILL');
    await exited;
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  } finally {
    clearInterval(alive);
  }
}
