import { AppError } from '../../../base/errors.ts';
import { formatSize } from '../../../base/text/size.ts';
import { plural } from '../../../base/text/words.ts';

/** How much a copy out of a guest may write to this host. */
export interface CopyLimits {
  maxBytes: number;
  /** files, directories and links, including parent directories that are made on the way */
  maxEntries: number;
}

/** Larger than most intended copies, smaller than most disks. */
export const DEFAULT_LIMITS: CopyLimits = { maxBytes: 16 * 2 ** 30, maxEntries: 1_000_000 };

/** Counts what is copied to `place`, which the errors name. */
export class CopyMeter {
  entries = 0;
  bytes = 0;
  /** directories that were made without their own entry in the archive */
  implied = 0;
  readonly #limits: CopyLimits;
  readonly #place: string;

  constructor(limits: CopyLimits, place: string) {
    this.#limits = limits;
    this.#place = place;
  }

  /** @throws {AppError} COPY_TOO_LARGE */
  addEntry(): void {
    this.entries += 1;
    this.#checkEntries();
  }

  /** @throws {AppError} COPY_TOO_LARGE */
  addImplied(): void {
    this.implied += 1;
    this.#checkEntries();
  }

  /** Call it before writing that many bytes. @throws {AppError} COPY_TOO_LARGE */
  addBytes(count: number): void {
    this.bytes += count;
    const { maxBytes } = this.#limits;
    if (this.bytes > maxBytes)
      throw this.#tooLarge(formatSize(maxBytes), '--max-size', formatSize(2 * maxBytes));
  }

  #checkEntries(): void {
    const { maxEntries } = this.#limits;
    if (this.entries + this.implied <= maxEntries) return;
    throw this.#tooLarge(
      plural(maxEntries, 'file or directory', 'files and directories'),
      '--max-entries',
      String(2 * maxEntries),
    );
  }

  #tooLarge(limit: string, option: string, example: string): AppError {
    return new AppError(
      'COPY_TOO_LARGE',
      `Cannot copy to "${this.#place}": the guest sends more than ${limit}`,
      {
        hint: `to allow more: ${option} ${example}; what was copied into a directory so far stays`,
        details: { field: option },
      },
    );
  }
}
