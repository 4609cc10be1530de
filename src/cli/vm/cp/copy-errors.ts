import { AppError, messageOf } from '../../../base/errors.ts';

/**
 * Runs `work`, which writes to the file `path` of this host. @throws {AppError} COPY_FAILED naming the file,
 * when the system refuses
 */
export async function writing<T>(path: Buffer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new AppError('COPY_FAILED', `Cannot write "${path.toString()}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Returns the error for an archive that a guest sent and this host refuses. */
export function refused(why: string): AppError {
  return new AppError('COPY_REFUSED', `Cannot unpack what the guest sent: ${why}`);
}
