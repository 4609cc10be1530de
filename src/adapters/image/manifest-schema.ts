import { z } from 'zod';
import { AppError } from '../../base/errors.ts';

/** A name that can be a link of the store: no path, no hidden file. */
export const IMAGE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Identity of an image: the hash of its root file system. */
export const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

const storeName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);

const imageManifest = z.object({
  format: z.literal(1),
  /** of the recipe; the name that means this image now is a link beside */
  name: z.string().regex(IMAGE_NAME),
  id: z.string().regex(IMAGE_ID),
  arch: z.enum(['amd64', 'arm64']),
  distro: storeName,
  kernelName: storeName,
  createdAt: z.iso.datetime(),
  /** sizes of the files that never change */
  files: z.record(storeName, z.number().int().nonnegative()),
});

/** `manifest.json` of an image; the file that makes a folder an image. */
export type ImageManifest = z.infer<typeof imageManifest>;

/**
 * Parses the text of an image's `manifest.json`; `label` names the image in errors.
 *
 * @throws {AppError} IMAGE_DAMAGED whatever the text is.
 */
export function parseImageManifest(text: string, label: string): ImageManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw imageDamaged(label, 'its manifest is not JSON', error);
  }
  const parsed = imageManifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'manifest');
  throw imageDamaged(label, `its manifest is not understood (${[...new Set(fields)].join(', ')})`);
}

/** The error for an image whose files are not as they were made. */
export function imageDamaged(name: string, problem: string, cause?: unknown): AppError {
  return new AppError('IMAGE_DAMAGED', `Cannot use image "${name}": ${problem}`, {
    hint: `build it again: banger image build ${name} --force`,
    details: { image: name },
    cause,
  });
}
