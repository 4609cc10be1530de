import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { SharedWork } from '../../base/async.ts';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { syncFolder } from '../../base/files/atomic-file.ts';
import { type FileLock, lock } from '../../base/files/file-lock.ts';
import { addHolder, hasLiveHolder } from '../../base/files/holders.ts';
import { isThere } from '../../base/files/if-there.ts';
import { checkRecordedFiles } from '../../base/files/recorded-files.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import { toolEnv, type Variables } from '../../base/process/programs.ts';
import type { GuestArch } from '../../core/ports/images/guest-arch.ts';
import type {
  AvailableKernel,
  KernelEntry,
  KernelPublisher,
  KernelSource,
  KernelStore,
  KernelUsage,
  NewKernel,
  RemovedKernels,
  RetainKernels,
  StoredKernel,
  UnpackedKernel,
} from '../../core/ports/images/kernels.ts';
import { kernelInUse } from '../../core/rules/kernel-in-use.ts';
import type { Task } from '../../protocol/events.ts';
import { checkKernelName } from '../../protocol/image/kernel-name.ts';
import { importKernel } from './import/import-kernel.ts';
import {
  currentInitrd,
  type InitrdFile,
  initrdsIn,
  oldInitrdsIn,
  removeInitrds,
} from './initrd/old-initrds.ts';
import { InitrdCache } from './initrd-cache.ts';
import { fetchLock, KERNEL_FILES, kernelLayout, kernelLock, kernelStaging } from './layout.ts';
import { KERNEL_NAME, kernelDamaged, kernelExists, parseKernelManifest } from './manifest-schema.ts';
import { mendModes } from './mend-modes.ts';
import { stageKernel } from './stage-kernel.ts';

/** What the kernel store needs. */
export interface KernelStoreOptions {
  kernelsDir: string;
  /** where a default kernel comes from when there is none */
  source: KernelSource;
  /** path of the static guest agent for an architecture; the file need not exist */
  agentPath: (arch: GuestArch) => string;
  /** this process's user id */
  uid: number;
  /** the caller's environment; tools get the part that {@link toolEnv} keeps */
  env: Variables;
  log: Logger;
}

const staging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/** Kernels as folders; `layout.ts` shows their files. */
export class FsKernelStore implements KernelStore, KernelPublisher {
  readonly #options: KernelStoreOptions;
  readonly #fetching = new SharedWork<StoredKernel>();
  readonly #initrds = new Map<GuestArch, InitrdCache>();
  #opened: Promise<void> | undefined;

  constructor(options: KernelStoreOptions) {
    this.#options = options;
  }

  async list(): Promise<KernelEntry[]> {
    await this.#open();
    const entries: KernelEntry[] = [];
    for (const name of await this.#names()) {
      try {
        entries.push(await this.#read(name));
      } catch (error) {
        if (!isAppError(error, 'KERNEL_DAMAGED', 'KERNEL_NOT_FOUND')) throw error;
        this.#options.log.warn('a kernel is skipped', { kernel: name, error });
      }
    }
    return entries;
  }

  async get(name: string, { signal }: Abortable): Promise<StoredKernel> {
    await this.#open();
    const entry = await this.#read(name);
    const initrd = await this.#initrdsOf(entry.arch).get(this.#dirOf(name), {
      release: entry.release,
      signal,
    });
    return { ...entry, initrdPath: initrd.path, initrdSha256: initrd.sha256 };
  }

  async getDefault(arch: GuestArch, task: Task): Promise<StoredKernel> {
    const newest = await this.#newest(arch);
    if (newest) return await this.get(newest.name, task);
    return await this.#fetching.run(arch, (signal) => this.#fetchDefault(arch, { ...task, signal }), task);
  }

  async available(task: Task): Promise<AvailableKernel[]> {
    return await this.#options.source.available(task);
  }

  async pull(arch: GuestArch, { report, signal }: Task): Promise<KernelEntry> {
    const { kernelsDir, source } = this.#options;
    await mkdir(kernelsDir, { recursive: true });
    using _held = await this.#lockFetching({ report, signal });
    let name = '';
    const use = async (kernel: UnpackedKernel): Promise<void> => {
      await this.#publishKept(kernel, { signal });
      name = kernel.name;
    };
    await source.withKernel(arch, use, { report, signal });
    return await this.#read(name);
  }

  async importFiles(request: NewKernel, { report, signal }: Task): Promise<KernelEntry> {
    const { kernelsDir } = this.#options;
    const { name } = request;
    checkKernelName(name);
    await mkdir(kernelsDir, { recursive: true });
    if (await this.#readIfWhole(name)) throw kernelExists(name);
    await using folder = await openStaging(kernelStaging(kernelsDir), staging);
    const kernel = await importKernel(request, { dir: folder.dir, report });
    signal.throwIfAborted();
    report({ event: 'progress', stage: 'pack' });
    await this.#publishKept(kernel, { signal });
    return await this.#read(name);
  }

  async delete(name: string, { signal }: Abortable): Promise<void> {
    const { kernelsDir } = this.#options;
    await this.#manifestText(name);
    using _held = await lock(kernelLock(kernelsDir), { signal });
    if (await hasLiveHolder(kernelLayout(this.#dirOf(name)).holders)) throw kernelInUse(name, ['a VM']);
    await using folder = await openStaging(kernelStaging(kernelsDir), staging);
    await this.#moveAway(name, join(folder.dir, name));
  }

  async hold(name: string, holderDir: string, { signal }: Abortable): Promise<void> {
    const { kernelsDir } = this.#options;
    await mkdir(kernelsDir, { recursive: true });
    using _held = await lock(kernelLock(kernelsDir), { signal });
    await this.#read(name);
    await addHolder(kernelLayout(this.#dirOf(name)).holders, holderDir);
  }

  async publish(kernel: UnpackedKernel, { signal }: Abortable): Promise<void> {
    await mkdir(this.#options.kernelsDir, { recursive: true });
    using _held = await lock(kernelLock(this.#options.kernelsDir), { signal });
    await this.#publishLocked(kernel, { signal });
  }

  /** So that nothing removes it between the two steps, the caller sees it published and kept. */
  async #publishKept(kernel: UnpackedKernel, { signal }: Abortable): Promise<void> {
    using _held = await lock(kernelLock(this.#options.kernelsDir), { signal });
    await this.#publishLocked(kernel, { signal });
    await writeFile(kernelLayout(this.#dirOf(kernel.name)).kept, '', { mode: 0o644 });
  }

  /** The caller holds the store's lock. */
  async #publishLocked(kernel: UnpackedKernel, { signal }: Abortable): Promise<void> {
    const { kernelsDir, uid, env, log } = this.#options;
    if (await this.#readIfWhole(kernel.name)) return;
    await sweepStaging(kernelStaging(kernelsDir), staging);
    await using folder = await openStaging(kernelStaging(kernelsDir), staging);
    const ready = join(folder.dir, 'ready');
    await mkdir(ready, { mode: 0o755 });
    await stageKernel(kernel, ready, { signal, uid, env: toolEnv(env), log });
    await this.#moveAway(kernel.name, join(folder.dir, 'damaged'));
    await rename(ready, this.#dirOf(kernel.name));
    await syncFolder(kernelsDir);
  }

  async retainOnly(
    names: ReadonlySet<string> | 'all',
    { signal, defaultsOf, isDryRun = false }: RetainKernels,
  ): Promise<RemovedKernels> {
    const { kernelsDir } = this.#options;
    await sweepStaging(kernelStaging(kernelsDir), staging);
    const removed = { kernelCount: 0, initrdCount: 0, bytes: 0 };
    const all = await this.#names();
    if (all.length === 0) return removed;
    const mayRemove = !isDryRun && names !== 'all';
    using _held = mayRemove ? await lock(kernelLock(kernelsDir), { signal }) : undefined;
    const unused = names === 'all' ? [] : await this.#unused(names, defaultsOf);
    for (const name of all) {
      const dir = this.#dirOf(name);
      const isUnused = unused.includes(name);
      const initrds = isUnused ? await initrdsIn(dir) : await this.#oldInitrds(name);
      if (isUnused) removed.kernelCount += 1;
      else removed.initrdCount += initrds.length;
      removed.bytes += (isUnused ? await this.#diskBytes(name) : 0) + sumOf(initrds);
      if (!isUnused && !isDryRun) await removeInitrds(dir, initrds);
    }
    if (isDryRun || unused.length === 0) return removed;
    await using folder = await openStaging(kernelStaging(kernelsDir), staging);
    for (const name of unused) await this.#moveAway(name, join(folder.dir, name));
    return removed;
  }

  async diskUsage(): Promise<KernelUsage> {
    const kernels = await this.list();
    const initrds = (await Promise.all(kernels.map(({ name }) => initrdsIn(this.#dirOf(name))))).flat();
    return {
      kernels: { count: kernels.length, bytes: kernels.reduce((sum, { diskBytes }) => sum + diskBytes, 0) },
      initrds: { count: initrds.length, bytes: sumOf(initrds) },
    };
  }

  /** Kernels that are neither named, nor a default, nor held, nor kept by the user. */
  async #unused(names: ReadonlySet<string>, defaultsOf: ReadonlySet<GuestArch>): Promise<string[]> {
    const kept = new Set(names);
    for (const arch of defaultsOf) {
      const newest = await this.#newest(arch);
      if (newest) kept.add(newest.name);
    }
    const unused: string[] = [];
    for (const name of await this.#names()) {
      const { holders, kept: ofUser } = kernelLayout(this.#dirOf(name));
      if (kept.has(name) || (await hasLiveHolder(holders)) || (await isThere(ofUser))) continue;
      unused.push(name);
    }
    return unused;
  }

  /** Those of a kernel that cannot be read stay: it is not known which one is current. */
  async #oldInitrds(name: string): Promise<InitrdFile[]> {
    const entry = await this.#readIfWhole(name);
    if (!entry) return [];
    return await oldInitrdsIn(this.#dirOf(name), await currentInitrd(this.#options.agentPath(entry.arch)));
  }

  async #diskBytes(name: string): Promise<number> {
    return (await this.#readIfWhole(name))?.diskBytes ?? 0;
  }

  /** Several processes may want one at the same time. */
  async #fetchDefault(arch: GuestArch, { report, signal }: Task): Promise<StoredKernel> {
    const { kernelsDir, source } = this.#options;
    await mkdir(kernelsDir, { recursive: true });
    using _held = await this.#lockFetching({ report, signal });
    const now = await this.#newest(arch);
    if (now) return await this.get(now.name, { signal });
    report({ event: 'notice', message: `there is no kernel for ${arch} yet: fetching one (only once)` });
    let name = '';
    const use = async (kernel: UnpackedKernel): Promise<void> => {
      await this.publish(kernel, { signal });
      name = kernel.name;
    };
    await source.withKernel(arch, use, { report, signal });
    return await this.get(name, { signal });
  }

  async #lockFetching({ report, signal }: Task): Promise<FileLock> {
    return await lock(fetchLock(this.#options.kernelsDir), {
      signal,
      onWait: () => report({ event: 'progress', stage: 'wait', detail: 'another process is fetching one' }),
    });
  }

  async #newest(arch: GuestArch): Promise<KernelEntry | undefined> {
    const fitting = (await this.list()).filter(
      (kernel) => kernel.arch === arch && kernel.origin.kind === 'package',
    );
    return fitting.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0];
  }

  /** Mends, once in a process, what earlier versions have made. */
  async #open(): Promise<void> {
    const mend = async (): Promise<void> => {
      for (const name of await this.#names()) await mendModes(this.#dirOf(name), this.#options);
    };
    this.#opened ??= mend();
    await this.#opened;
  }

  #initrdsOf(arch: GuestArch): InitrdCache {
    const known = this.#initrds.get(arch);
    if (known) return known;
    const made = new InitrdCache({ agentPath: this.#options.agentPath(arch) });
    this.#initrds.set(arch, made);
    return made;
  }

  #dirOf(name: string): string {
    return join(this.#options.kernelsDir, name);
  }

  async #names(): Promise<string[]> {
    try {
      const entries = await readdir(this.#options.kernelsDir, { withFileTypes: true });
      return entries
        .filter((e) => e.isDirectory() && KERNEL_NAME.test(e.name))
        .map((e) => e.name)
        .sort();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  async #read(name: string): Promise<KernelEntry> {
    const layout = kernelLayout(this.#dirOf(name));
    const manifest = parseKernelManifest(await this.#manifestText(name), name);
    const { problem, diskBytes } = await checkRecordedFiles(layout.dir, manifest.files);
    if (problem) throw kernelDamaged(name, problem);
    const hasVmlinux = Object.hasOwn(manifest.files, KERNEL_FILES.vmlinux);
    return {
      name,
      release: manifest.release,
      arch: manifest.arch,
      kernelPath: layout.vmlinuz,
      ...(hasVmlinux ? { vmlinuxPath: layout.vmlinux } : {}),
      modulesPath: layout.modules,
      diskBytes,
      createdAt: manifest.createdAt,
      origin: manifest.origin ?? { kind: 'package' },
      isKept: await isThere(layout.kept),
    };
  }

  async #manifestText(name: string): Promise<string> {
    try {
      // The name may come from the user; a path in it would leave the store.
      if (KERNEL_NAME.test(name)) return await readFile(kernelLayout(this.#dirOf(name)).manifest, 'utf8');
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    }
    throw new AppError('KERNEL_NOT_FOUND', `Cannot find kernel "${name}": it is not in the store`, {
      hint: 'banger kernel list shows those that are there; banger kernel pull fetches one',
      details: { kernel: name },
    });
  }

  async #readIfWhole(name: string): Promise<KernelEntry | undefined> {
    try {
      return await this.#read(name);
    } catch (error) {
      if (isAppError(error, 'KERNEL_NOT_FOUND', 'KERNEL_DAMAGED')) return undefined;
      throw error;
    }
  }

  async #moveAway(name: string, to: string): Promise<void> {
    try {
      await rename(this.#dirOf(name), to);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
}

function sumOf(files: readonly InitrdFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
