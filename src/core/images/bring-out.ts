import { AppError } from '../../base/errors.ts';
import type { ExportedImage, PushedImage } from '../../protocol/api/image-outlet.ts';
import type { Task } from '../../protocol/events.ts';
import { formatImageRef, parseImageRef, saysWhereItIs } from '../../protocol/image/image-ref.ts';
import { splitImageName } from '../../protocol/image/platform.ts';
import type { ImageOrigin } from '../ports/images/image-origin.ts';
import type { BootStores, ImageOutlets } from '../vms/world.ts';

/**
 * Writes an image to the archive `path`, which names it if its name is a reference.
 *
 * @throws {AppError} IMAGE_NOT_FOUND, IMAGE_DAMAGED; what `ImageOutlet.export` throws.
 */
export async function exportImage(
  { images, outlet }: Pick<BootStores, 'images'> & ImageOutlets,
  name: string,
  { path, ...task }: Task & { path: string },
): Promise<ExportedImage> {
  return await images.withContent(
    name,
    async (image, workDir) => {
      const [reference] = referencesOf(image.name);
      const named = reference === undefined ? {} : { reference };
      return await outlet.export(image, { ...task, path, workDir, ...named });
    },
    task,
  );
}

/**
 * Pushes an image to `reference`, or to where its name says.
 *
 * @throws {AppError} IMAGE_NOT_FOUND, IMAGE_DAMAGED; IMAGE_REFERENCE_INVALID also when neither says where;
 * what `ImageOutlet.push` throws.
 */
export async function pushImage(
  { images, outlet }: Pick<BootStores, 'images'> & ImageOutlets,
  name: string,
  { reference: given, ...task }: Task & { reference?: string | undefined },
): Promise<PushedImage> {
  const wanted = given === undefined ? undefined : formatImageRef(parseImageRef(given));
  return await images.withContent(
    name,
    async (image, workDir) => {
      const reference = wanted ?? referencesOf(image.name)[0];
      if (reference === undefined) throw saysNotWhere(image.name);
      const mountFrom = [...referencesOf(image.name), ...sourcesOf(image.provenance.origin)];
      return await outlet.push(image, { ...task, reference, mountFrom, workDir });
    },
    task,
  );
}

/** The reference that an image's name is, without its architecture. */
function referencesOf(name: string): string[] {
  const { base } = splitImageName(name);
  return saysWhereItIs(base) ? [base] : [];
}

/** Where layers of the image came from. */
function sourcesOf(origin: ImageOrigin): string[] {
  if (origin.kind === 'commit') return referencesOf(origin.base);
  return origin.kind === 'registry' ? [origin.reference] : [];
}

function saysNotWhere(name: string): AppError {
  return new AppError(
    'IMAGE_REFERENCE_INVALID',
    `Cannot push image "${name}": its name does not say to which registry`,
    {
      hint: `say it: banger image push ${name} registry.example/team/${name}:1`,
      details: { field: 'reference', image: name },
    },
  );
}
