import { AppError, messageOf } from '../../../base/errors.ts';

/**
 * Does `work` on a file of this host. @throws {AppError} COPY_FAILED naming the file, for what the system
 * refuses
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

/** The refusal of what a guest sent. */
export function refused(why: string): AppError {
  return new AppError('COPY_REFUSED', `Cannot unpack what the guest sent: ${why}`);
}
