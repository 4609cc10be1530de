import { chmod, constants, copyFile, link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { syncTree, writeFileAtomic } from '../../base/files/atomic-file.ts';
import { packExt4 } from '../../base/files/ext4-image.ts';
import { recordSizes } from '../../base/files/recorded-files.ts';
import type { Logger } from '../../base/log.ts';
import type { UnpackedKernel } from '../../core/ports/images/kernels.ts';
import { elfArch, hasPvhEntry } from './import/elf.ts';
import { bootModules } from './initrd/boot-modules.ts';
import { KERNEL_FILES, kernelLayout } from './layout.ts';
import type { KernelManifest } from './manifest-schema.ts';
import { extractVmlinux, isZlibError } from './vmlinux.ts';

/** What {@link stageKernel} needs besides the kernel. */
export interface StageOptions extends Abortable {
  uid: number;
  env: NodeJS.ProcessEnv;
  log: Logger;
}

/**
 * Creates all files of a stored kernel in the empty folder `dir`, the manifest last.
 *
 * @throws {AppError} KERNEL_MODULES_MISSING when VMs cannot boot with it.
 */
export async function stageKernel(kernel: UnpackedKernel, dir: string, options: StageOptions): Promise<void> {
  const { signal, uid, env } = options;
  const layout = kernelLayout(dir);
  await copyBootModules(kernel, layout.bootModules);
  await copyFile(kernel.kernelPath, layout.vmlinuz, constants.COPYFILE_FICLONE);
  await copyFile(kernel.configPath, layout.config, constants.COPYFILE_FICLONE);
  const hasVmlinux = await unpackVmlinux(layout.vmlinuz, layout.vmlinux, options.log);
  signal.throwIfAborted();
  const modules = { treeDir: kernel.modulesTree, imagePath: layout.modules, label: 'modules' };
  await packExt4({ ...modules, freeBytes: 0, journalMib: 0, uid, env }, { signal });
  const { vmlinuz, vmlinux, config, modules: modulesFile } = KERNEL_FILES;
  const files = [vmlinuz, config, modulesFile, ...(hasVmlinux ? [vmlinux] : [])];
  const manifest: KernelManifest = {
    format: 1,
    name: kernel.name,
    release: kernel.release,
    arch: kernel.arch,
    createdAt: new Date().toISOString(),
    ...(kernel.origin === undefined ? {} : { origin: kernel.origin }),
    files: await recordSizes(dir, files),
  };
  // Later checks only compare sizes, and a power cut may leave empty files of the right size.
  await syncTree(dir);
  await writeFileAtomic(layout.manifest, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
}

/**
 * Copies the modules of the initramfs, with their paths, and depmod's lists, which contain their
 * dependencies.
 */
async function copyBootModules({ modulesTree, release }: UnpackedKernel, to: string): Promise<void> {
  const picked = await bootModules({ modulesDir: modulesTree, release });
  const paths = ['modules.dep', 'modules.builtin', ...picked.map(({ path }) => path)];
  for (const path of paths) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    await copyFile(join(modulesTree, path), join(to, path));
    // depmod's lists have the modes of the umask under which they were made.
    await chmod(join(to, path), 0o644);
  }
}

/** A kernel that cannot be extracted is no failure: only some VMMs need the ELF file. */
async function unpackVmlinux(from: string, to: string, log: Logger): Promise<boolean> {
  try {
    const image = await readFile(from);
    if (elfArch(image) !== undefined) {
      await link(from, to);
      return true;
    }
    const vmlinux = await extractVmlinux(image);
    // VMMs start an ELF file only at this entry.
    if (!vmlinux || !hasPvhEntry(vmlinux)) return false;
    await writeFile(to, vmlinux, { mode: 0o644 });
    return true;
  } catch (error) {
    if (!isAppError(error, 'KERNEL_FORMAT_DAMAGED') && !isZlibError(error)) throw error;
    log.warn('the ELF kernel could not be extracted', { path: from, error });
    return false;
  }
}
