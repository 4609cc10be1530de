import * as z from 'zod';
import { AppError } from '../../../base/errors.ts';
import type { ImageOrigin } from '../../../core/ports/images/image-origin.ts';
import { IMPORT_FORMATS } from '../../../protocol/api/image.ts';
import type { ImageConfig } from '../../../protocol/image/image-config.ts';
import { linkNameOf } from './layout.ts';

/** Identity of an image. */
export const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

const storeName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);
const imageName = z.string().refine((name) => linkNameOf(name) !== undefined);
const digest = z.string().regex(IMAGE_ID);
const words = z.array(z.string());

const config = z.object({
  env: words.exactOptional(),
  entrypoint: words.exactOptional(),
  cmd: words.exactOptional(),
  user: z.string().exactOptional(),
  workingDir: z.string().exactOptional(),
  exposedPorts: words.exactOptional(),
  labels: z.record(z.string(), z.unknown()).exactOptional(),
  stopSignal: z.string().exactOptional(),
}) satisfies z.ZodType<ImageConfig>;

const origin: z.ZodType<ImageOrigin> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('recipe'), recipe: storeName }),
  z.object({ kind: z.literal('registry'), reference: z.string() }),
  z.object({ kind: z.literal('archive'), format: z.enum(IMPORT_FORMATS), path: z.string() }),
  z.object({ kind: z.literal('packages'), set: storeName }),
  z.object({
    kind: z.literal('dockerfile'),
    dockerfile: z.string(),
    context: z.string(),
    contentKey: digest.exactOptional(),
  }),
  z.object({ kind: z.literal('commit'), vm: z.string(), base: z.string(), at: z.iso.datetime() }),
  z.object({ kind: z.literal('file'), path: z.string().startsWith('/') }),
]);

/**
 * Versions of banger that know only recipes wrote `name`, `distro` and `kernelName` always, and nothing of
 * `config`, `origin`, `manifestDigest`, `blobs` and `rootfs`. They can read the images of recipes that this
 * version writes.
 */
const imageManifest = z.object({
  format: z.literal(1),
  /** the name that the image was made for; the link beside it is the name that refers to it now */
  name: imageName,
  id: digest,
  arch: z.enum(['amd64', 'arm64']),
  distro: storeName.exactOptional(),
  kernelName: storeName.exactOptional(),
  config: config.exactOptional(),
  origin: origin.exactOptional(),
  manifestDigest: digest.exactOptional(),
  blobs: z.array(digest).exactOptional(),
  createdAt: z.iso.datetime(),
  /** sizes of the files that never change */
  files: z.record(storeName, z.number().int().nonnegative()),
  /** the user's file that is the root file system, outside of the store, as it was when it was registered */
  rootfs: z
    .object({ path: z.string().startsWith('/'), sizeBytes: z.number().int(), modifiedMs: z.number() })
    .exactOptional(),
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
    hint: `make it again: banger image build ${name} --force, or banger image pull ${name} --force`,
    details: { image: name },
    cause,
  });
}
