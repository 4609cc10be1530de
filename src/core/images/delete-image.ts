import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError } from '../../base/errors.ts';
import type { BootStores, Vms } from '../vms/world.ts';

/**
 * Deletes an image. Refuses the last name of one that VMs use, unless with `force`: they then keep its files.
 *
 * @throws {AppError} IMAGE_NOT_FOUND, IMAGE_IN_USE naming the VMs.
 */
export async function deleteImage(
  world: Pick<BootStores, 'images'> & Pick<Vms, 'records'>,
  name: string,
  { force, signal }: Abortable & { force: boolean },
): Promise<void> {
  if (!force) await requireUnused(world, name);
  await world.images.delete(name, { signal });
}

async function requireUnused(
  { images, records }: Pick<BootStores, 'images'> & Pick<Vms, 'records'>,
  name: string,
): Promise<void> {
  let id: string;
  try {
    ({ id } = await images.get(name));
  } catch (error) {
    // No VM can start from it.
    if (isAppError(error, 'IMAGE_DAMAGED')) return;
    throw error;
  }
  const users = records.list().filter(({ imageId }) => imageId === id);
  const names = (await images.list()).filter((image) => image.id === id);
  if (users.length === 0 || names.length > 1) return;
  const vms = users.map((record) => record.name);
  throw new AppError('IMAGE_IN_USE', `Cannot delete image "${name}": VMs use it: ${vms.join(', ')}`, {
    hint: `delete them first: banger vm delete ${vms.join(' ')}; with --force, they keep its files`,
    details: { image: name, vms },
  });
}
