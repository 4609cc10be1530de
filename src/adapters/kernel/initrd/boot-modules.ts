import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, isErrno } from '../../../base/errors.ts';
import {
  type ListedModule,
  loadOrder,
  moduleName,
  parseModulesBuiltin,
  parseModulesDep,
} from './modules-dep.ts';

/**
 * The modules of a boot, in load order. The agent skips modules without a matching device. A new device of
 * the VM is one line here.
 *
 * - `required`: without it a VM cannot start
 * - `bus`: at least one of them
 * - `optional`: included when the kernel has it as a module
 */
const BOOT_MODULES = [
  { name: 'virtio_mmio', need: 'bus' },
  { name: 'virtio_pci', need: 'bus' },
  { name: 'virtio_blk', need: 'required' },
  { name: 'dm_mod', need: 'required' },
  { name: 'dm_snapshot', need: 'required' },
  // ext4 requests this one by the algorithm's name, which modules.dep does not list.
  { name: 'crc32c_generic', need: 'optional' },
  { name: 'ext4', need: 'required' },
  { name: 'virtio_console', need: 'required' },
  { name: 'virtio_net', need: 'optional' },
  { name: 'virtio_rng', need: 'optional' },
  { name: 'vmw_vsock_virtio_transport', need: 'optional' },
] as const;

/**
 * The modules that a kernel's initramfs needs, in load order, without those built into the kernel.
 * `modulesDir` is the folder that contains `modules.dep`.
 *
 * @throws {AppError} KERNEL_MODULES_MISSING when the kernel has no modules.dep or lacks a module that every
 * VM needs; KERNEL_MODULES_DAMAGED when its lists cannot be parsed.
 */
export async function bootModules({
  modulesDir,
  release,
}: {
  modulesDir: string;
  release: string;
}): Promise<ListedModule[]> {
  const listed = parseModulesDep(await readList(join(modulesDir, 'modules.dep'), release));
  const builtin = parseModulesBuiltin(await readList(join(modulesDir, 'modules.builtin'), release));
  const has = (name: string): boolean => builtin.has(moduleName(name)) || listed.has(moduleName(name));
  const missing = BOOT_MODULES.filter(({ name, need }) => need === 'required' && !has(name)).map(
    ({ name }) => name,
  );
  const buses = BOOT_MODULES.filter(({ need }) => need === 'bus').map(({ name }) => name);
  const lacks = [...missing, ...(buses.some(has) ? [] : [buses.join(' or ')])];
  if (lacks.length > 0) {
    throw new AppError(
      'KERNEL_MODULES_MISSING',
      `Cannot boot kernel "${release}": it has no ${lacks.join(', ')}`,
      {
        hint: 'use a kernel that has these built in or as modules',
        details: { release, missing: lacks },
      },
    );
  }
  const wanted = BOOT_MODULES.map(({ name }) => name).filter((name) => !builtin.has(name));
  return loadOrder(listed, wanted);
}

async function readList(path: string, release: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    throw new AppError(
      'KERNEL_MODULES_MISSING',
      `Cannot find the modules of kernel "${release}": "${path}" does not exist`,
      {
        hint: `run depmod for ${release}, or install the kernel again`,
        details: { release, path },
        cause: error,
      },
    );
  }
}
