import { AppError } from '../../../base/errors.ts';
import { formatSize } from '../../../base/text/size.ts';

/** What a context may have at most; more is a `.dockerignore` that is missing. */
export interface ContextLimits {
  maxBytes: number;
  maxEntries: number;
}

/** The limits of every build. */
export const CONTEXT_LIMITS: ContextLimits = { maxBytes: 4 * 2 ** 30, maxEntries: 250_000 };

/** Largest Dockerfile and `.dockerignore`. */
export const MAX_TEXT_BYTES = 2 ** 20;

/** Largest secret; Docker's own limit. */
export const MAX_SECRET_BYTES = 500 * 1024;

/** The error for a context with more than the limits allow. */
export function contextTooLarge(dir: string, { maxBytes, maxEntries }: ContextLimits): AppError {
  return new AppError(
    'IMAGE_CONTEXT_TOO_LARGE',
    `Cannot send "${dir}" to the build: it has more than ${formatSize(maxBytes)} or ${maxEntries} files`,
    {
      hint: 'name what the build does not need in .dockerignore',
      details: { path: dir, maxBytes, maxEntries },
    },
  );
}

/** The error for a context or a Dockerfile that cannot be read. */
export function contextInvalid(path: string, why: string, cause?: unknown): AppError {
  return new AppError('IMAGE_CONTEXT_INVALID', `Cannot build from "${path}": ${why}`, {
    hint: 'give the folder with the files of the build, and with -f its Dockerfile',
    details: { path },
    cause,
  });
}
