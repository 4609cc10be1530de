import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import type { PullGit } from '../pull-git.ts';

/** Objects of at least this size are never whole in git's memory, in `bytes`. */
const STREAMED_FROM = '16m';

/**
 * The contents that a guest sends, written to a file in the form that git-fast-import(1) reads. They become
 * objects without that any byte of the guest is parsed but their lengths, and git computes their names.
 */
export class GuestContents implements Disposable {
  readonly #path: string;
  readonly #objects: string[] = [];
  #file: number | undefined;

  constructor(dir: string) {
    this.#path = join(dir, 'contents');
    this.#file = openSync(this.#path, 'wx', 0o600);
  }

  /** Takes a piece of an object, in order. Writes at once, so that memory stays bounded. */
  take(object: string, piece: Buffer, { atBytes, sizeBytes }: { atBytes: number; sizeBytes: number }): void {
    if (atBytes === 0) {
      this.#objects.push(object);
      this.#write(Buffer.from(`blob\nmark :${this.#objects.length}\ndata ${sizeBytes}\n`));
    }
    this.#write(piece);
    if (atBytes + piece.length === sizeBytes) this.#write(Buffer.from('\n'));
  }

  /**
   * Stores them as objects.
   *
   * @throws {AppError} WORKSPACE_PULL_FAILED when one has another name than the guest said
   */
  async store(git: PullGit, { signal }: Abortable): Promise<void> {
    this[Symbol.dispose]();
    if (this.#objects.length === 0) return;
    const marks = join(git.dir, 'marks');
    const settings = ['-c', `core.bigFileThreshold=${STREAMED_FROM}`];
    await git.run([...settings, 'fast-import', '--quiet', `--export-marks=${marks}`], {
      signal,
      input: createReadStream(this.#path),
    });
    const lines = new Set((await readFile(marks, 'latin1')).split('\n'));
    for (const [at, object] of this.#objects.entries()) {
      if (lines.has(`:${at + 1} ${object}`)) continue;
      throw new AppError(
        'WORKSPACE_PULL_FAILED',
        'Cannot pull from the guest: a file has another content than its name says',
      );
    }
  }

  #write(bytes: Buffer): void {
    if (this.#file === undefined) return;
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }

  [Symbol.dispose](): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) closeSync(file);
  }
}
