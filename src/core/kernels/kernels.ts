import type { Abortable } from '../../base/abort.ts';
import type { ImportKernelRequest, PullKernelRequest } from '../../protocol/api/kernel.ts';
import type { Task } from '../../protocol/events.ts';
import { archOfPlatform } from '../../protocol/image/platform.ts';
import type { AvailableKernel, KernelEntry } from '../ports/images/kernels.ts';
import { kernelInUse } from '../rules/kernel-in-use.ts';
import type { BootStores, Vms } from '../vms/world.ts';

/** What needs a kernel. */
export interface KernelUsers {
  /** names of images whose VMs boot it */
  images: string[];
  /** names of VMs */
  vms: string[];
}

/** The images and VMs that boot the kernel `name`, whether it is there or not. */
export async function kernelUsers(
  { images, records }: Pick<BootStores, 'images'> & Pick<Vms, 'records'>,
  name: string,
): Promise<KernelUsers> {
  const fitting = (await images.list()).filter(({ kernelName }) => kernelName === name);
  const vms = records.list().filter(({ kernelName }) => kernelName === name);
  return { images: fitting.map((image) => image.name), vms: vms.map((vm) => vm.name) };
}

/**
 * The newest kernel that the distribution has, for each architecture, and whether the store has it.
 *
 * @throws {AppError} what `KernelStore.available` throws.
 */
export async function availableKernels(
  { kernels }: Pick<BootStores, 'kernels'>,
  task: Task,
): Promise<(AvailableKernel & { isPulled: boolean })[]> {
  const [available, here] = await Promise.all([kernels.available(task), kernels.list()]);
  const names = new Set(here.map(({ name }) => name));
  return available.map((kernel) => ({ ...kernel, isPulled: names.has(kernel.name) }));
}

/**
 * Fetches the newest kernel of the distribution for a platform, or this host's, and keeps it.
 *
 * @throws {AppError} what `KernelStore.pull` throws.
 */
export async function pullKernel(
  { images, kernels }: BootStores,
  { platform }: PullKernelRequest,
  task: Task,
): Promise<KernelEntry> {
  return await kernels.pull(platform === undefined ? images.arch : archOfPlatform(platform), task);
}

/**
 * Makes a kernel of the user's files one of the store.
 *
 * @throws {AppError} what `KernelStore.importFiles` throws.
 */
export async function importKernel(
  { kernels }: Pick<BootStores, 'kernels'>,
  { name, path, modules, config }: ImportKernelRequest,
  task: Task,
): Promise<KernelEntry> {
  return await kernels.importFiles(
    {
      name,
      path,
      ...(modules === undefined ? {} : { modulesPath: modules }),
      ...(config === undefined ? {} : { configPath: config }),
    },
    task,
  );
}

/**
 * Deletes a kernel that no image and no VM boots.
 *
 * @throws {AppError} KERNEL_NOT_FOUND, KERNEL_IN_USE naming what uses it.
 */
export async function deleteKernel(
  world: BootStores & Pick<Vms, 'records'>,
  name: string,
  { signal }: Abortable,
): Promise<void> {
  const { images, vms } = await kernelUsers(world, name);
  const users = [...images.map((image) => `image "${image}"`), ...vms.map((vm) => `vm "${vm}"`)];
  if (users.length > 0) throw kernelInUse(name, users);
  await world.kernels.delete(name, { signal });
}
