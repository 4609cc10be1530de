import { chmod, mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { syncFile, syncFolder } from '../../base/files/atomic-file.ts';
import { lock } from '../../base/files/file-lock.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import { exec } from '../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../base/process/programs.ts';
import { copyDriveFile } from './copy-drive-file.ts';
import { qcow2Problem } from './qcow2-header.ts';
import { requireTool } from './require-tool.ts';

/** `overlay`: all zeros. `work`: an empty ext4 whose top folder belongs to root in the guest. */
export type BlankKind = 'overlay' | 'work';

/** A request for a blank disk. */
export interface BlankRequest {
  kind: BlankKind;
  /** size as the guest sees it */
  sizeBytes: number;
  /** file to create; must not exist */
  target: string;
}

/** Part of the names in the cache; increase it when the content of the files changes. */
const RECIPE = 1;

const staging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/**
 * Blank drives as thin qcow2 files. Each kind and size is created once and then copied, which takes a few
 * milliseconds. In the cache:
 *
 *     <dir>/
 *       work-1-8589934592.qcow2     kind, recipe, size in bytes; appears by a rename
 *       .staging/                   being made (base/files/staging.ts)
 *       .lock                       held while something is made
 */
export class BlankDisks {
  readonly #dir: string;
  readonly #env: Variables;

  constructor({ dir, env }: { dir: string; env: Variables }) {
    this.#dir = dir;
    this.#env = env;
  }

  /**
   * Creates the file `target`, mode 0600. Leaves nothing of it after a failure.
   *
   * @throws {AppError} HOST_NO_SPACE, VMM_TOOL_MISSING; errno `EEXIST` when `target` exists, which is then
   * left untouched.
   */
  async copyTo({ kind, sizeBytes, target }: BlankRequest, options: Abortable): Promise<void> {
    const source = await reportNoSpace(() => this.#ensure(kind, sizeBytes, options), {
      what: `a blank "${kind}" drive`,
      dir: dirname(this.#dir),
    });
    options.signal.throwIfAborted();
    await reportNoSpace(() => copyDriveFile(source, target, options), {
      what: `the drive "${kind}"`,
      dir: dirname(target),
    });
  }

  /** Removes what a killed process left unfinished. Idempotent. */
  async sweep(): Promise<void> {
    await sweepStaging(join(this.#dir, '.staging'), staging);
  }

  async #ensure(kind: BlankKind, sizeBytes: number, { signal }: Abortable): Promise<string> {
    const path = join(this.#dir, `${kind}-${RECIPE}-${sizeBytes}.qcow2`);
    if ((await qcow2Problem(path, sizeBytes)) === undefined) return path;
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    using _held = await lock(join(this.#dir, '.lock'), { signal });
    if ((await qcow2Problem(path, sizeBytes)) === undefined) return path;
    const area = join(this.#dir, '.staging');
    await sweepStaging(area, staging);
    await using folder = await openStaging(area, staging);
    const made = join(folder.dir, basename(path));
    await (kind === 'work'
      ? this.#makeWork(made, sizeBytes, { signal })
      : this.#makeEmpty(made, sizeBytes, { signal }));
    await chmod(made, 0o600);
    await syncFile(made);
    await rename(made, path);
    await syncFolder(this.#dir);
    return path;
  }

  async #makeEmpty(path: string, sizeBytes: number, { signal }: Abortable): Promise<void> {
    const qemuImg = await requireTool('qemu-img', this.#env);
    await exec([qemuImg, 'create', '-q', '-f', 'qcow2', path, String(sizeBytes)], {
      signal,
      env: toolEnv(this.#env),
    });
  }

  async #makeWork(path: string, sizeBytes: number, { signal }: Abortable): Promise<void> {
    const [mkfs, qemuImg] = [
      await requireTool('mkfs.ext4', this.#env),
      await requireTool('qemu-img', this.#env),
    ];
    const raw = `${path}.raw`;
    const run = { signal, env: toolEnv(this.#env) };
    await writeFile(raw, '', { flag: 'wx', mode: 0o600 });
    await truncate(raw, sizeBytes);
    // The file is sparse, so inode tables are already zero. Left to the guest's kernel, they would be written
    // out after the first mount.
    const extended = 'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=1';
    await exec([mkfs, '-q', '-F', '-L', 'work', '-m', '0', '-E', extended, raw], run);
    await exec([qemuImg, 'convert', '-f', 'raw', '-O', 'qcow2', raw, path], run);
    await rm(raw);
  }
}
