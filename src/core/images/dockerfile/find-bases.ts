import { AppError, isAppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import { formatImageRef, PLAIN_IMAGE_NAME, parseImageRef } from '../../../protocol/image/image-ref.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import type { BootStores } from '../../vms/world.ts';

/** An image of the store that a Dockerfile begins with or copies from. */
export interface BaseImage {
  image: StoredImage;
  manifestDigest: string;
  /** name by which the engine finds it when the Dockerfile names it */
  tag: string;
}

/**
 * Finds an image that a Dockerfile names: one of this host by its plain name, or by its reference, which is
 * pulled when it is not here yet.
 *
 * @throws {AppError} IMAGE_NO_LAYERS for an image that is only a file system; IMAGE_REFERENCE_INVALID,
 * REGISTRY_*, HOST_NO_SPACE.
 */
export async function findBase(
  { images }: Pick<BootStores, 'images'>,
  name: string,
  task: Task,
): Promise<BaseImage> {
  const own = PLAIN_IMAGE_NAME.test(name) ? await imageOrNone(images, name) : undefined;
  if (own) return { image: own, manifestDigest: manifestOf(own), tag: `localhost/${own.name}:latest` };
  const parsed = parseImageRef(name);
  const reference = formatImageRef(parsed);
  const found = await imageOrNone(images, reference);
  if (!found) {
    task.report({ event: 'notice', message: `image "${reference}" is not here yet: pulling it` });
  }
  const origin = { kind: 'registry', reference } as const;
  const image = found ?? (await images.add(reference, { origin, arch: images.arch, force: false }, task));
  // Of a reference with a digest, the engine looks for any image of the repository that has it.
  const { registry, repository, tag = 'banger' } = parsed;
  return { image, manifestDigest: manifestOf(image), tag: formatImageRef({ registry, repository, tag }) };
}

async function imageOrNone(images: BootStores['images'], name: string): Promise<StoredImage | undefined> {
  try {
    return await images.get(name);
  } catch (error) {
    if (isAppError(error, 'IMAGE_NOT_FOUND')) return undefined;
    throw error;
  }
}

function manifestOf({ name, provenance }: StoredImage): string {
  const { manifestDigest, origin } = provenance;
  if (manifestDigest !== undefined) return manifestDigest;
  const from = origin.kind === 'recipe' ? 'it is built of packages' : 'it is a file system';
  throw new AppError('IMAGE_NO_LAYERS', `Cannot build from image "${name}": ${from}, and has no layers`, {
    hint: 'begin with an image from a registry or an archive',
    details: { image: name },
  });
}
