import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { SharedWork } from '../../base/async.ts';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { syncFolder } from '../../base/files/atomic-file.ts';
import { lock } from '../../base/files/file-lock.ts';
import { addHolder, hasLiveHolder } from '../../base/files/holders.ts';
import { checkRecordedFiles } from '../../base/files/recorded-files.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import { toolEnv, type Variables } from '../../base/process/programs.ts';
import type { GuestArch } from '../../core/ports/images/guest-arch.ts';
import type {
  KernelEntry,
  KernelPublisher,
  KernelSource,
  KernelStore,
  StoredKernel,
  UnpackedKernel,
} from '../../core/ports/images/kernels.ts';
import type { Task } from '../../protocol/events.ts';
import { InitrdCache } from './initrd-cache.ts';
import { fetchLock, KERNEL_FILES, kernelLayout, kernelLock, kernelStaging } from './layout.ts';
import { KERNEL_NAME, kernelDamaged, parseKernelManifest } from './manifest-schema.ts';
import { stageKernel } from './stage-kernel.ts';

/** What the kernel store needs. */
export interface KernelStoreOptions {
  kernelsDir: string;
  /** of this host, and so of its guests */
  arch: GuestArch;
  /** where the default kernel comes from when there is none */
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

  constructor(options: KernelStoreOptions) {
    this.#options = options;
  }

  async list(): Promise<KernelEntry[]> {
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
    const entry = await this.#read(name);
    const initrd = await this.#initrdsOf(entry.arch).get(this.#dirOf(name), {
      release: entry.release,
      signal,
    });
    return { ...entry, initrdPath: initrd.path, initrdSha256: initrd.sha256 };
  }

  async getDefault(task: Task): Promise<StoredKernel> {
    const newest = await this.#newest();
    if (newest) return await this.get(newest.name, task);
    return await this.#fetching.run('', (signal) => this.#fetchDefault({ ...task, signal }), task);
  }

  async hold(name: string, holderDir: string, { signal }: Abortable): Promise<void> {
    const { kernelsDir } = this.#options;
    await mkdir(kernelsDir, { recursive: true });
    using _held = await lock(kernelLock(kernelsDir), { signal });
    await this.#read(name);
    await addHolder(kernelLayout(this.#dirOf(name)).holders, holderDir);
  }

  async publish(kernel: UnpackedKernel, { signal }: Abortable): Promise<void> {
    const { kernelsDir, uid, env, log } = this.#options;
    await mkdir(kernelsDir, { recursive: true });
    using _held = await lock(kernelLock(kernelsDir), { signal });
    if (await this.#isWhole(kernel.name)) return;
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
    names: ReadonlySet<string>,
    { signal, keepsDefault }: Abortable & { keepsDefault: boolean },
  ): Promise<void> {
    const { kernelsDir } = this.#options;
    await sweepStaging(kernelStaging(kernelsDir), staging);
    const kept = new Set(names);
    const newest = keepsDefault ? await this.#newest() : undefined;
    if (newest) kept.add(newest.name);
    const unused = (await this.#names()).filter((name) => !kept.has(name));
    if (unused.length === 0) return;
    using _held = await lock(kernelLock(kernelsDir), { signal });
    await using folder = await openStaging(kernelStaging(kernelsDir), staging);
    for (const name of unused) {
      if (await hasLiveHolder(kernelLayout(this.#dirOf(name)).holders)) continue;
      await this.#moveAway(name, join(folder.dir, name));
    }
  }

  /** Several processes may want one at the same time. */
  async #fetchDefault({ report, signal }: Task): Promise<StoredKernel> {
    const { kernelsDir, source } = this.#options;
    await mkdir(kernelsDir, { recursive: true });
    using _held = await lock(fetchLock(kernelsDir), {
      signal,
      onWait: () => report({ event: 'progress', stage: 'wait', detail: 'another process is fetching it' }),
    });
    const now = await this.#newest();
    if (now) return await this.get(now.name, { signal });
    report({ event: 'notice', message: 'there is no kernel yet: fetching one (only once)' });
    let name = '';
    const use = async (kernel: UnpackedKernel): Promise<void> => {
      await this.publish(kernel, { signal });
      name = kernel.name;
    };
    await source.withKernel(use, { report, signal });
    return await this.get(name, { signal });
  }

  async #newest(): Promise<KernelEntry | undefined> {
    const fitting = (await this.list()).filter(({ arch }) => arch === this.#options.arch);
    return fitting.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0];
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
      hint: 'kernels come with images; build the image again: banger image build NAME --force',
      details: { kernel: name },
    });
  }

  async #isWhole(name: string): Promise<boolean> {
    try {
      await this.#read(name);
      return true;
    } catch (error) {
      if (isAppError(error, 'KERNEL_NOT_FOUND', 'KERNEL_DAMAGED')) return false;
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
