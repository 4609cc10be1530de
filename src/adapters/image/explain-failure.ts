import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { freeBytes, noSpace } from './space.ts';

/** With less free space than this, a failed tool is assumed to have run out of space. */
const FULL_BYTES = 64 * 2 ** 20;

/** What a failure is about. */
export interface FailedImage {
  imageName: string;
  /** where it was being made */
  dir: string;
  /** it was made of packages, which were downloaded */
  isFromPackages: boolean;
}

/**
 * Returns the error that explains a tool's failure to the user: HOST_NO_SPACE, IMAGE_BUILD_FAILED, or `error`
 * when it explains itself. A full disk has many symptoms, so this checks the disk itself.
 */
export async function explainFailure(
  error: unknown,
  { imageName, dir, isFromPackages }: FailedImage,
): Promise<unknown> {
  const isFull = isErrno(error, 'ENOSPC', 'EDQUOT');
  if (!isFull && !isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) return error;
  const free = await freeBytes(dir);
  if (isFull || free < FULL_BYTES) return noSpace(imageName, { dir, free, cause: error });
  return new AppError('IMAGE_BUILD_FAILED', `Cannot build image "${imageName}"`, {
    hint: isFromPackages
      ? 'check that this host can reach its Debian mirror and its npm registry, then try again; the log has details'
      : 'try again; the log has details: banger daemon logs',
    details: { image: imageName },
    cause: error,
  });
}
