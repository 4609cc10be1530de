import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { isErrno } from '../../src/base/errors.ts';

/** Keeps the logs of tests that fail: those of daemons and VMMs, and the consoles of guests. */
export class Evidence {
  readonly folder: string;
  readonly #scratch: string;
  #count = 0;

  /** `folder` is emptied: it holds the evidence of one run. */
  constructor({ scratch, folder }: { scratch: string; folder: string }) {
    this.folder = folder;
    this.#scratch = scratch;
    rmSync(folder, { recursive: true, force: true });
  }

  /** Files that were kept. */
  get count(): number {
    return this.#count;
  }

  /**
   * Copies every log that is under the tests' scratch folder now. It is called as soon as a test fails and
   * works synchronously, so that the cleanup of the test cannot remove the logs first.
   */
  collect(): void {
    for (const path of this.logs()) {
      const target = join(this.folder, relative(this.#scratch, path));
      try {
        mkdirSync(dirname(target), { recursive: true });
        copyFileSync(path, target);
        this.#count += 1;
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error;
      }
    }
  }

  /** Paths of every log that is under the tests' scratch folder now. */
  logs(): string[] {
    return this.#logs(this.#scratch);
  }

  #logs(folder: string): string[] {
    try {
      return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return this.#logs(path);
        return entry.isFile() && entry.name.endsWith('.log') ? [path] : [];
      });
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'EACCES')) return [];
      throw error;
    }
  }
}
