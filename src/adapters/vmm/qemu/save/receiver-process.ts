import type { FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isAppError } from '../../../../base/errors.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../../../../base/process/exec.ts';
import { MEMORY_ID } from '../launch/argv.ts';
import { RECEIVER } from './receiver-terms.ts';

/** Where a guest is received, and by which program. */
export interface ReceiverProcess {
  /** the program and the arguments that precede its own */
  argv: readonly [string, ...string[]];
  env: NodeJS.ProcessEnv;
  /** empty files; they stay open */
  files: { memory: FileHandle; state: FileHandle };
  /** size of the guest's memory */
  sizeBytes: number;
}

/**
 * Writes the guest that arrives over `connection` to the files. Closes the connection, also after a failure.
 *
 * @throws {AppError} VMM_SAVE_FAILED; errno `ENOSPC`.
 */
export async function runReceiver(
  connection: Socket,
  { argv, env, files: { memory, state }, sizeBytes }: ReceiverProcess,
  { signal }: Abortable,
): Promise<void> {
  const { code, stderr } = await run();
  const message = `Cannot save the guest: ${stderr || `its receiver ended with status ${code}`}`;
  if (code === RECEIVER.status.full) throw Object.assign(new Error(message), { code: 'ENOSPC' });
  if (code !== RECEIVER.status.done) throw new AppError('VMM_SAVE_FAILED', message);

  async function run(): ReturnType<typeof exec> {
    const [program, ...before] = argv;
    try {
      return await exec([program, ...before, MEMORY_ID, String(sizeBytes)], {
        env,
        signal,
        stdin: connection,
        // In the order of `RECEIVER.fd`.
        files: [memory.fd, state.fd],
        okCodes: Object.values(RECEIVER.status),
        graceMs: 0,
        deadlineMs: LONG_WORK_DEADLINE_MS,
      });
    } catch (error) {
      if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
      throw new AppError('VMM_SAVE_FAILED', `Cannot save the guest: ${error.message}`, { cause: error });
    }
  }
}
