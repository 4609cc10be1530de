import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Abortable, neverAborts } from '../../base/abort.ts';
import { isErrno } from '../../base/errors.ts';
import { readIfThere, syncFile, syncFolder, writeFileAtomic } from '../../base/files/atomic-file.ts';
import { DISCARDED_PREFIX, discardTree, sweepDiscarded } from '../../base/files/discard.ts';
import { readdirIfThere } from '../../base/files/if-there.ts';
import { reportNoSpace, requireSpace } from '../../base/files/no-space.ts';
import { ensurePrivateDir } from '../../base/files/private-dir.ts';
import type { CapturePlace, LogKind, VmFiles, VmFolders } from '../../core/ports/vm-files.ts';

/** How much of a log's end is searched for its last lines. */
const TAIL_BYTES = 64 * 1024;

/** Where the per-VM folders are. */
export interface VmFilesOptions {
  vmsDir: string;
  vmBasesDir: string;
  vmRuntimeDir: string;
  /** the ssh host keys of all VMs; its folder belongs to this file */
  knownHostsFile: string;
  loginUsersFile: string;
}

/** Folder of a suspended guest, and prefix of the names of copies, in a VM's folder. */
const SUSPENDED = 'suspended';
const CAPTURE_PREFIX = 'capture-';
/** Prefix of folders whose drives replaced the original ones. */
const DRIVES_PREFIX = 'drives-';
/** Files of drives, in the existing formats (`DriveSpec`). */
const DRIVE_NAME = /\.(qcow2|raw)$/;
/** Prefix of subfolders of a VM's runtime folder that belong to a VMM which replaces another. */
const SECOND_PREFIX = 'r-';

/** Per-VM folders on the host's file system. */
export class FsVmFiles implements VmFiles {
  readonly #options: VmFilesOptions;

  constructor(options: VmFilesOptions) {
    this.#options = options;
  }

  folders(vmId: string): VmFolders {
    const dir = join(this.#options.vmsDir, vmId);
    return {
      dir,
      runtimeDir: join(this.#options.vmRuntimeDir, vmId),
      baseDir: join(this.#options.vmBasesDir, vmId),
      consoleLogPath: join(dir, 'console.log'),
      decisionsLogPath: join(dir, 'decisions', 'decisions.jsonl'),
      vmmLogPath: join(dir, 'vmm.log'),
      sentTreeDir: join(dir, 'workspace'),
      pulledDir: join(dir, 'pulled'),
      suspended: { memoryPath: join(dir, SUSPENDED, 'memory'), statePath: join(dir, SUSPENDED, 'state') },
    };
  }

  async create(vmId: string): Promise<VmFolders> {
    const folders = this.folders(vmId);
    await makeAt(folders.dir, async (dir) => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await mkdir(folders.baseDir, { recursive: true, mode: 0o700 });
      await this.createRuntime(vmId);
    });
    return folders;
  }

  async createRuntime(vmId: string): Promise<void> {
    await ensurePrivateDir(this.folders(vmId).runtimeDir);
    for (const dir of await this.#secondRuntimes(vmId)) await rm(dir, { recursive: true, force: true });
  }

  async createSecondRuntime(vmId: string): Promise<string> {
    const { runtimeDir } = this.folders(vmId);
    await ensurePrivateDir(runtimeDir);
    return await makeAt(join(runtimeDir, SECOND_PREFIX), (prefix) => mkdtemp(prefix));
  }

  async sweepRuntimes(vmId: string): Promise<void> {
    for (const dir of await this.#secondRuntimes(vmId)) {
      try {
        await rmdir(dir);
      } catch (error) {
        if (!isErrno(error, 'ENOTEMPTY', 'ENOENT')) throw error;
      }
    }
  }

  async createSuspended(vmId: string): Promise<void> {
    await this.removeSuspended(vmId);
    await makeAt(join(this.folders(vmId).dir, SUSPENDED), (dir) => mkdir(dir, { mode: 0o700 }));
  }

  async syncSuspended(vmId: string): Promise<void> {
    const { dir, suspended } = this.folders(vmId);
    await reportNoSpace(() => Promise.all([suspended.memoryPath, suspended.statePath].map(syncFile)), {
      what: 'the suspended guest',
      dir,
    });
    for (const folder of [join(dir, SUSPENDED), dir]) await syncFolder(folder);
  }

  async hostBoot(): Promise<string> {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
  }

  async removeSuspended(vmId: string): Promise<void> {
    await discardTree(join(this.folders(vmId).dir, SUSPENDED));
  }

  async openCapture(vmId: string): Promise<CapturePlace> {
    const dir = await makeAt(join(this.folders(vmId).dir, CAPTURE_PREFIX), (prefix) => mkdtemp(prefix));
    return {
      dir,
      saved: { memoryPath: join(dir, 'memory'), statePath: join(dir, 'state') },
      [Symbol.asyncDispose]: () => discardTree(dir),
    };
  }

  async createDriveDir(vmId: string): Promise<string> {
    return await makeAt(join(this.folders(vmId).dir, DRIVES_PREFIX), (prefix) => mkdtemp(prefix));
  }

  async syncDrives(vmId: string, drivePaths: readonly string[], { signal }: Abortable): Promise<void> {
    const { dir } = this.folders(vmId);
    const own = drivePaths.filter((path) => path.startsWith(`${dir}/`));
    const sync = async (): Promise<void> => {
      for (const path of own) {
        signal.throwIfAborted();
        await syncFile(path);
      }
    };
    await reportNoSpace(sync, { what: 'the drives', dir });
    for (const folder of new Set([...own.map((path) => dirname(path)), dir])) await syncFolder(folder);
  }

  async sweepDrives(
    vmId: string,
    drivePaths: readonly string[],
    { areDurable = false }: { areDurable?: boolean } = {},
  ): Promise<void> {
    const { dir } = this.folders(vmId);
    const isOfDrives = (name: string): boolean => name.startsWith(DRIVES_PREFIX) || DRIVE_NAME.test(name);
    const isUsed = (path: string): boolean =>
      drivePaths.some((used) => used === path || used.startsWith(`${path}/`));
    const unused = (await readdirIfThere(dir))
      .filter(isOfDrives)
      .map((name) => join(dir, name))
      .filter((path) => !isUsed(path));
    if (unused.length === 0) return;
    if (!areDurable) await this.syncDrives(vmId, drivePaths.filter(existsSync), { signal: neverAborts() });
    for (const path of unused) await discard(path);
  }

  async sweepCaptures(vmId: string): Promise<void> {
    const { dir } = this.folders(vmId);
    const captures = (await readdirIfThere(dir)).filter((name) => name.startsWith(CAPTURE_PREFIX));
    for (const name of captures) await discardTree(join(dir, name));
    await sweepDiscarded(dir);
  }

  async writeKnownHosts(content: string): Promise<string> {
    const { knownHostsFile } = this.#options;
    await writeForSsh(knownHostsFile, content);
    return knownHostsFile;
  }

  async writeLoginUsers(content: string): Promise<void> {
    const { loginUsersFile } = this.#options;
    if (content === '' && !existsSync(loginUsersFile)) return;
    await writeForSsh(loginUsersFile, content);
  }

  async remove(vmId: string): Promise<void> {
    const { dir, runtimeDir, baseDir } = this.folders(vmId);
    for (const folder of [runtimeDir, dir, baseDir]) await discardTree(folder);
  }

  async sweep(): Promise<void> {
    for (const dir of this.#parents) await sweepDiscarded(dir);
  }

  async list(): Promise<string[]> {
    const found = await Promise.all(this.#parents.map(readdirIfThere));
    return [...new Set(found.flat())].filter((name) => !name.startsWith(DISCARDED_PREFIX));
  }

  async requireSpace(neededBytes: number, what = 'a VM'): Promise<void> {
    await requireSpace({ what, dir: this.#options.vmsDir, neededBytes });
  }

  async allocatedBytes(path: string): Promise<number> {
    try {
      // In units of 512 bytes, whatever the file system's block size (stat(2)).
      return (await stat(path)).blocks * 512;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return 0;
      throw error;
    }
  }

  async logTail(
    vmId: string,
    kind: LogKind,
    lines: number,
    { sinceMs = 0 }: { sinceMs?: number | undefined } = {},
  ): Promise<string[]> {
    const { consoleLogPath, vmmLogPath } = this.folders(vmId);
    try {
      await using file = await open(kind === 'console' ? consoleLogPath : vmmLogPath, 'r');
      const { size, mtimeMs } = await file.stat();
      if (mtimeMs < sinceMs) return [];
      const start = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
      const text = buffer.subarray(0, bytesRead).toString('utf8');
      return text
        .split(/\r?\n/)
        .filter((line) => line.trim() !== '')
        .slice(-lines);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /** The folders that have one for each VM. */
  get #parents(): string[] {
    const { vmsDir, vmBasesDir, vmRuntimeDir } = this.#options;
    return [vmsDir, vmBasesDir, vmRuntimeDir];
  }

  async #secondRuntimes(vmId: string): Promise<string[]> {
    const { runtimeDir } = this.folders(vmId);
    const names = (await readdirIfThere(runtimeDir)).filter((name) => name.startsWith(SECOND_PREFIX));
    return names.map((name) => join(runtimeDir, name));
  }
}

/** Discards a drive, or a folder of drives. */
async function discard(path: string): Promise<void> {
  if (DRIVE_NAME.test(path)) await rm(path, { force: true });
  else await discardTree(path);
}

async function makeAt<T>(path: string, make: (path: string) => Promise<T>): Promise<T> {
  return await reportNoSpace(() => make(path), { what: `"${basename(path)}"`, dir: dirname(path) });
}

/** Writes a file for ssh(1), unless it has this content. */
async function writeForSsh(file: string, content: string): Promise<void> {
  if ((await readIfThere(file)) === content) return;
  await makeAt(file, async (path) => {
    await ensurePrivateDir(dirname(path));
    // A daemon writes it again when it starts; waiting for the disk would delay every start of a VM.
    await writeFileAtomic(path, content, { isDurable: false });
  });
}
