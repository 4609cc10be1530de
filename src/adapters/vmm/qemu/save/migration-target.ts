import { dirname } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isAppError } from '../../../../base/errors.ts';
import { exec } from '../../../../base/process/exec.ts';
import { isExecutable } from '../../../../base/process/programs.ts';
import { type QmpClient, unlessRefused } from '../qmp/qmp-client.ts';
import { pathForQemu } from '../runtime-files.ts';

/** Name of the connection in QEMU, until a migration takes it. */
const NAME = 'banger-save';

/** How a QEMU is connected. */
export interface TargetOptions extends Abortable {
  /** the program `banger-host`; where it is missing, QEMU makes its connection itself */
  hostTools: string;
  env: NodeJS.ProcessEnv;
}

/** Where a guest is migrated to; disposing takes back what no migration has used. */
export interface MigrationTarget extends AsyncDisposable {
  readonly uri: string;
}

/**
 * Connects QEMU with the socket at `socketPath`. A QEMU behind the second wall may make no Unix sockets, with
 * which it could reach other programs of this user, so it is given the connection.
 *
 * @throws {AppError} VMM_SAVE_FAILED, VMM_REFUSED, VMM_LOST.
 */
export async function openMigrationTarget(
  qmp: QmpClient,
  socketPath: string,
  { hostTools, env, signal }: TargetOptions,
): Promise<MigrationTarget> {
  const { fd } = qmp;
  if (fd === undefined || !(await isExecutable(hostTools))) {
    return { uri: `unix:${pathForQemu(socketPath)}`, [Symbol.asyncDispose]: async () => {} };
  }
  const send = async (id: number): Promise<void> => {
    try {
      // The first of `files` is its descriptor 3.
      const place = { cwd: dirname(socketPath), env, files: [fd] };
      await exec([hostTools, 'connect', pathForQemu(socketPath), NAME, String(id)], { ...place, signal });
    } catch (error) {
      if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
      throw new AppError('VMM_SAVE_FAILED', `Cannot save the guest: ${error.message}`, { cause: error });
    }
  };
  await qmp.executeThrough(send, { signal });
  return {
    uri: `fd:${NAME}`,
    [Symbol.asyncDispose]: async () => {
      try {
        await unlessRefused(
          qmp.execute('closefd', { fdname: NAME }, { signal: AbortSignal.timeout(CLOSE_DEADLINE_MS) }),
        );
      } catch (error) {
        // With its QEMU the connection has gone too.
        if (!isAppError(error, 'VMM_LOST')) throw error;
      }
    },
  };
}

const CLOSE_DEADLINE_MS = 5_000;
