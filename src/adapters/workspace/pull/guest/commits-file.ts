import { closeSync, openSync, writeSync } from 'node:fs';
import { AppError } from '../../../../base/errors.ts';

/** What precedes the pack in the guest's output (`core/vms/workspace/pull/pull-command.ts`). */
export interface CommitsHead {
  commit: string;
  /** the guest has no changes that are not committed */
  isClean: boolean;
}

/** Both lines before the pack are shorter, in bytes. */
const MAX_HEAD_BYTES = 200;

/** Writes the pack that a guest sends to a file, at once, so that memory stays bounded. */
export class CommitsFile implements Disposable {
  readonly #path: string;
  readonly #maxBytes: number;
  #file: number | undefined;
  #head: CommitsHead | undefined;
  #pending: Buffer = Buffer.alloc(0);
  #bytes = 0;

  constructor(path: string, { maxBytes }: { maxBytes: number }) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#file = openSync(path, 'wx', 0o600);
  }

  /** Takes the next piece of output. @throws {AppError} WORKSPACE_PULL_FAILED */
  take(chunk: Buffer): void {
    let rest = chunk;
    if (!this.#head) {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      const end = this.#pending.indexOf(10, this.#pending.indexOf(10) + 1);
      const isShort = this.#pending.length <= MAX_HEAD_BYTES;
      if (end < 0 || !this.#pending.includes(10)) {
        if (isShort) return;
        throw broken();
      }
      this.#head = parseHead(this.#pending.subarray(0, end).toString('latin1'));
      rest = this.#pending.subarray(end + 1);
    }
    this.#bytes += rest.length;
    if (this.#bytes > this.#maxBytes) {
      throw new AppError(
        'WORKSPACE_PULL_FAILED',
        `Cannot pull the commits of the guest: they have more than ${this.#maxBytes} bytes`,
      );
    }
    for (let at = 0; at < rest.length && this.#file !== undefined; ) at += writeSync(this.#file, rest, at);
  }

  /** What came. @throws {AppError} WORKSPACE_PULL_FAILED */
  end(): CommitsHead & { path: string } {
    this[Symbol.dispose]();
    if (!this.#head) throw broken();
    return { ...this.#head, path: this.#path };
  }

  [Symbol.dispose](): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }
}

function parseHead(text: string): CommitsHead {
  const [, commit = '', state = ''] =
    /^banger-commits 1\n([0-9a-f]{40}|[0-9a-f]{64}) (clean|dirty)$/.exec(text) ?? [];
  if (commit === '') throw broken();
  return { commit, isClean: state === 'clean' };
}

function broken(): AppError {
  return new AppError('WORKSPACE_PULL_FAILED', 'Cannot pull the commits of the guest: its answer is broken');
}
