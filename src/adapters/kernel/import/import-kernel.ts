import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isErrno } from '../../../base/errors.ts';
import type { NewKernel, UnpackedKernel } from '../../../core/ports/images/kernels.ts';
import { type KernelOptions, missingOptions, parseKernelOptions } from '../../../core/rules/guest-options.ts';
import type { Report } from '../../../protocol/events.ts';
import { isZlibError } from '../vmlinux.ts';
import { elfArch, hasPvhEntry } from './elf.ts';
import { findConfig, findKernelFile, findModules, invalid } from './find-kernel-files.ts';
import { type ReadKernel, readKernel } from './read-kernel.ts';

const MAX_KERNEL_BYTES = 2 ** 30;

/** The option that gives a vmlinux the entry at which VMMs start it. */
const PVH = `CONFIG_${'PVH'}`;

/**
 * The modules that a boot loads, by the option that builds them; a kernel without modules has them built in.
 */
const MODULE_OF_OPTION: Readonly<Record<string, string>> = {
  VIRTIO_MMIO: 'virtio_mmio',
  VIRTIO_PCI: 'virtio_pci',
  VIRTIO_BLK: 'virtio_blk',
  BLK_DEV_DM: 'dm_mod',
  DM_SNAPSHOT: 'dm_snapshot',
  EXT4_FS: 'ext4',
  VIRTIO_CONSOLE: 'virtio_console',
  VIRTIO_NET: 'virtio_net',
  HW_RANDOM_VIRTIO: 'virtio_rng',
};

/**
 * Reads the kernel, its options and its modules, and checks that guests can boot with it. Writes what is
 * missing of them to the empty folder `dir`; changes nothing else. Reports what guests lack with it as
 * notices.
 *
 * @throws {AppError} KERNEL_FILE_INVALID, KERNEL_OPTIONS_MISSING, KERNEL_MODULES_MISSING.
 */
export async function importKernel(
  request: NewKernel,
  { dir, report }: { dir: string; report: Report },
): Promise<UnpackedKernel> {
  const path = await findKernelFile(request.path);
  const kernel = await read(path);
  const { arch, release } = kernel;
  const options = await optionsOf(path, kernel, request);
  if (options === undefined) {
    const message =
      'the options of this kernel are not known, so they are not checked; --config names the file';
    report({ event: 'notice', message });
  } else checkOptions(options.parsed, { path, kernel, report });
  const modulesTree =
    request.modulesPath ??
    (await findModules(path, release)) ??
    (await builtInModules(options?.parsed, { dir, release }));
  const kernelPath = join(dir, 'kernel');
  await writeFile(kernelPath, kernel.file, { mode: 0o644 });
  const configPath = join(dir, 'config');
  await writeFile(configPath, options?.text ?? '', { mode: 0o644 });
  const origin = { kind: 'file', path: request.path } as const;
  return { name: request.name, release, arch, kernelPath, configPath, modulesTree, origin };
}

async function read(path: string): Promise<ReadKernel> {
  const { size } = await stat(path);
  if (size > MAX_KERNEL_BYTES) throw invalid(path, 'it is larger than 1 GiB');
  try {
    const kernel = await readKernel(await readFile(path));
    if (kernel) {
      requireBootable(kernel, path);
      return kernel;
    }
  } catch (error) {
    if (isErrno(error, 'EACCES')) throw invalid(path, 'this user may not read it', error);
    if (isErrno(error, 'EISDIR')) throw invalid(path, 'it is a folder', error);
    if (!isZlibError(error)) throw error;
    throw invalid(path, 'it is damaged', error);
  }
  throw invalid(path, 'it is none, or for an architecture that guests do not have');
}

/** An ELF file is started at its PVH entry; arm64 kernels have none, and are started from their Image. */
function requireBootable({ file, release, arch }: ReadKernel, path: string): void {
  if (elfArch(file) === undefined) return;
  if (arch === 'arm64')
    throw invalid(path, 'VMs boot an arm64 kernel from its Image, and this is its vmlinux');
  if (hasPvhEntry(file)) return;
  throw new AppError(
    'KERNEL_OPTIONS_MISSING',
    `Cannot import "${path}": VMs do not boot a vmlinux without these options of the kernel: ${PVH}`,
    {
      hint: `give its bzImage, or build it with ${PVH}`,
      details: { path, release, missing: [PVH] },
    },
  );
}

async function optionsOf(
  kernelPath: string,
  { release, config }: ReadKernel,
  { configPath }: NewKernel,
): Promise<{ text: string; parsed: KernelOptions } | undefined> {
  const path = configPath ?? (await findConfig(kernelPath, release));
  const text = path === undefined ? config : await readFile(path, 'utf8');
  return text === undefined ? undefined : { text, parsed: parseKernelOptions(text) };
}

function checkOptions(
  options: KernelOptions,
  { path, kernel, report }: { path: string; kernel: ReadKernel; report: Report },
): void {
  const missing = missingOptions(options, kernel.arch);
  const fatal = missing.filter(({ isRequired }) => isRequired);
  if (fatal.length > 0) {
    const names = fatal.map(({ option, why }) => `${option} (${why})`);
    throw new AppError(
      'KERNEL_OPTIONS_MISSING',
      `Cannot import "${path}": VMs do not boot without these options of the kernel: ${names.join(', ')}`,
      {
        hint: 'build the kernel with them, or use another: banger kernel pull',
        details: { path, release: kernel.release, missing: missing.map(({ option }) => option) },
      },
    );
  }
  for (const { option, why } of missing) {
    report({ event: 'notice', message: `this kernel lacks ${option}, which guests need for: ${why}` });
  }
}

/** The lists of a kernel that has no modules; what is built into it says its options. */
async function builtInModules(
  options: KernelOptions | undefined,
  { dir, release }: { dir: string; release: string },
): Promise<string> {
  const tree = join(dir, 'modules');
  await mkdir(tree);
  const builtIn = Object.entries(MODULE_OF_OPTION).flatMap(([option, name]) =>
    options?.get(option) === 'y' ? `kernel/${name}.ko\n` : [],
  );
  if (builtIn.length === 0) {
    throw new AppError(
      'KERNEL_MODULES_MISSING',
      `Cannot find the modules of kernel "${release}": no folder with its modules.dep is near it`,
      {
        hint: 'give the folder with --modules; for a kernel without modules, give its options with --config',
        details: { release },
      },
    );
  }
  await writeFile(join(tree, 'modules.dep'), '');
  await writeFile(join(tree, 'modules.builtin'), builtIn.join(''));
  return tree;
}
