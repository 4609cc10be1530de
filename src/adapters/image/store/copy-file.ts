import type { Abortable } from '../../../base/abort.ts';
import { syncFile } from '../../../base/files/atomic-file.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../../base/process/programs.ts';

/**
 * Copies a file durably to the new file `to`, which belongs to this user alone. Zeros become holes, and file
 * systems that can share blocks do. The caller removes a partial file.
 */
export async function copySparse(
  from: string,
  to: string,
  { env, signal }: Abortable & { env: Variables },
): Promise<void> {
  const argv = ['cp', '--sparse=always', '--reflink=auto', '--no-preserve=all', '--', from, to] as const;
  await exec(argv, { env: toolEnv(env), signal, deadlineMs: LONG_WORK_DEADLINE_MS });
  await syncFile(to);
}
