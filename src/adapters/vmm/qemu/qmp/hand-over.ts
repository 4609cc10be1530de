import { dirname } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { isAppError } from '../../../../base/errors.ts';
import { exec } from '../../../../base/process/exec.ts';
import { pathForQemu } from '../runtime-files.ts';
import type { QmpClient } from './qmp-client.ts';

/** How a connection is handed over. */
export interface HandOverOptions extends Abortable {
  /** the program `banger-host` */
  hostTools: string;
  env: NodeJS.ProcessEnv;
  /** makes an error of what the program says went wrong */
  failed: (message: string, cause: unknown) => Error;
}

/**
 * Connects to the socket at `socketPath` and hands the connection to QEMU, which knows it as `name` from then
 * on. Behind the second wall, QEMU may not create Unix sockets, because it could reach other programs of this
 * user with them.
 *
 * @throws {AppError} VMM_REFUSED, VMM_LOST; what `failed` returns.
 */
export async function handOver(
  qmp: QmpClient,
  { socketPath, name }: { socketPath: string; name: string },
  { hostTools, env, failed, signal }: HandOverOptions,
): Promise<void> {
  const { fd } = qmp;
  if (fd === undefined) throw failed('the control connection is no socket', undefined);
  const send = async (id: number): Promise<void> => {
    try {
      // The first of `files` becomes its descriptor 3.
      const place = { cwd: dirname(socketPath), env, files: [fd] };
      await exec([hostTools, 'connect', pathForQemu(socketPath), name, String(id)], { ...place, signal });
    } catch (error) {
      if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) throw error;
      throw failed(error.message, error);
    }
  };
  await qmp.executeThrough(send, { signal });
}
