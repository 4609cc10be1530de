import { z } from 'zod';
import { AppError } from '../../base/errors.ts';

/** A valid link name in the store: no path, no hidden file. */
export const IMAGE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
/** Identity of an image: the hash of its root file system. */
export const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

const storeName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);

const imageManifest = z.object({
  format: z.literal(1),
  /** name of the recipe; the link beside it is the name that currently refers to this image */
  name: z.string().regex(IMAGE_NAME),
  id: z.string().regex(IMAGE_ID),
  arch: z.enum(['amd64', 'arm64']),
  distro: storeName,
  kernelName: storeName,
  createdAt: z.iso.datetime(),
  /** sizes of the files that never change */
  files: z.record(storeName, z.number().int().nonnegative()),
});

/** `manifest.json` of an image; its presence makes a folder an image. */
export type ImageManifest = z.infer<typeof imageManifest>;

/**
 * Parses the text of an image's `manifest.json`; `label` names the image in errors.
 *
 * @throws {AppError} IMAGE_DAMAGED for any text that is not a valid manifest.
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
  throw imageDamaged(label, `its manifest is invalid (${[...new Set(fields)].join(', ')})`);
}

/** The error for an image whose files have changed since it was made. */
export function imageDamaged(name: string, problem: string, cause?: unknown): AppError {
  return new AppError('IMAGE_DAMAGED', `Cannot use image "${name}": ${problem}`, {
    hint: `rebuild it: banger image build ${name} --force`,
    details: { image: name },
    cause,
  });
}
