import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isAppError } from '../../../../base/errors.ts';
import { isExecutable } from '../../../../base/process/programs.ts';
import { handOver } from '../qmp/hand-over.ts';
import { type QmpClient, unlessRefused } from '../qmp/qmp-client.ts';
import { pathForQemu } from '../runtime-files.ts';

/** QEMU's name for the connection until a migration takes it. */
const NAME = 'banger-save';

/** How a QEMU is connected. */
export interface TargetOptions extends Abortable {
  /** the program `banger-host`; when it is missing, QEMU makes the connection itself */
  hostTools: string;
  env: NodeJS.ProcessEnv;
}

/** The destination of a migration; disposing withdraws it when no migration has used it. */
export interface MigrationTarget extends AsyncDisposable {
  readonly uri: string;
}

/**
 * Connects QEMU to the socket at `socketPath`. Behind the second wall, QEMU may not create Unix sockets,
 * because it could reach other programs of this user with them. So it is handed a connected one.
 *
 * @throws {AppError} VMM_SAVE_FAILED, VMM_REFUSED, VMM_LOST.
 */
export async function openMigrationTarget(
  qmp: QmpClient,
  socketPath: string,
  { hostTools, env, signal }: TargetOptions,
): Promise<MigrationTarget> {
  if (qmp.fd === undefined || !(await isExecutable(hostTools))) {
    return { uri: `unix:${pathForQemu(socketPath)}`, [Symbol.asyncDispose]: async () => {} };
  }
  const failed = (message: string, cause: unknown): AppError =>
    new AppError('VMM_SAVE_FAILED', `Cannot save the guest: ${message}`, { cause });
  await handOver(qmp, { socketPath, name: NAME }, { hostTools, env, failed, signal });
  return {
    uri: `fd:${NAME}`,
    [Symbol.asyncDispose]: async () => {
      try {
        await unlessRefused(
          qmp.execute('closefd', { fdname: NAME }, { signal: AbortSignal.timeout(CLOSE_DEADLINE_MS) }),
        );
      } catch (error) {
        // When QEMU has ended, so has the connection.
        if (!isAppError(error, 'VMM_LOST')) throw error;
      }
    },
  };
}

const CLOSE_DEADLINE_MS = 5_000;
