import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, invariant, isErrno, messageOf } from '../../../base/errors.ts';
import { isRecord } from '../../../base/json-schema/check.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../base/tar/write-tar.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';

/** Largest manifest and configuration; `banger-host oci` refuses larger ones. */
const MAX_DESCRIPTION_BYTES = 4 * 2 ** 20;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Packs an image as a tar of an OCI image layout: `oci-layout`, `index.json`, and its blobs, which are read
 * while the stream is. An image whose configuration does not say how its layers were made, which it need
 * not, gets one that does: the engine counts on it.
 *
 * @throws {AppError} IMAGE_DAMAGED when a blob is missing.
 */
export async function packLayout(
  image: StoredImage,
  { blobsDir, signal }: Abortable & { blobsDir: string },
): Promise<Readable> {
  const { manifestDigest, blobs } = image.provenance;
  invariant(manifestDigest !== undefined, 'the image has layers');
  const described = await describe(image, { blobsDir, manifestDigest });
  const layers: { digest: string; sizeBytes: number }[] = [];
  for (const digest of blobs) {
    if (digest === manifestDigest || digest === described.configDigest) continue;
    layers.push({ digest, sizeBytes: await sizeOf(image, blobPath(blobsDir, digest)) });
  }
  const texts = [described.manifest, described.config];
  const descriptor = {
    mediaType: described.mediaType,
    digest: digestOf(described.manifest),
    size: described.manifest.length,
  };
  const files: [name: string, content: Buffer][] = [
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }))],
    ...texts.map((content): [string, Buffer] => [nameOf(digestOf(content)), content]),
  ];
  return Readable.from(
    (async function* () {
      for (const [name, content] of files) {
        yield fileHeader(name, content.length);
        yield content;
        yield tarPadding(content.length);
      }
      for (const { digest, sizeBytes } of layers) {
        yield fileHeader(nameOf(digest), sizeBytes);
        // A blob never changes, and exactly what was announced must follow.
        const end = Math.max(0, sizeBytes - 1);
        if (sizeBytes > 0) yield* createReadStream(blobPath(blobsDir, digest), { end, signal });
        yield tarPadding(sizeBytes);
      }
      yield TAR_END;
    })(),
    { objectMode: false },
  );
}

interface Described {
  manifest: Buffer;
  mediaType: string;
  config: Buffer;
  /** of the configuration in the store */
  configDigest: string;
}

/** The image's manifest and configuration, with a history of as many layers as there are. */
async function describe(
  image: StoredImage,
  { blobsDir, manifestDigest }: { blobsDir: string; manifestDigest: string },
): Promise<Described> {
  const manifest = await readSmall(image, blobPath(blobsDir, manifestDigest));
  const { value, mediaType, configDigest } = parseManifest(manifest, image);
  const config = await readSmall(image, blobPath(blobsDir, configDigest));
  const whole = withHistory(parseObject(config, image));
  if (whole === undefined) return { manifest, mediaType, config, configDigest };
  const written = Buffer.from(JSON.stringify(whole));
  const descriptor = isRecord(value['config']) ? value['config'] : {};
  const own = { ...descriptor, digest: digestOf(written), size: written.length };
  return {
    manifest: Buffer.from(JSON.stringify({ ...value, config: own })),
    mediaType,
    config: written,
    configDigest,
  };
}

/** The configuration with a history, or `undefined` when its own accounts for all layers. */
function withHistory(config: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const { history, rootfs } = config;
  const diffIds = isRecord(rootfs) && Array.isArray(rootfs['diff_ids']) ? rootfs['diff_ids'] : [];
  const steps: unknown[] = Array.isArray(history) ? history : [];
  const made = steps.filter((step) => isRecord(step) && step['empty_layer'] !== true).length;
  if (made === diffIds.length) return undefined;
  return { ...config, history: diffIds.map(() => ({ created_by: 'layer of an image without a history' })) };
}

function fileHeader(name: string, sizeBytes: number): Buffer {
  return tarHeader({
    kind: 'file',
    name: Buffer.from(name),
    linkName: Buffer.alloc(0),
    mode: 0o644,
    sizeBytes,
    mtimeMs: 0,
  });
}

function blobPath(blobsDir: string, digest: string): string {
  return join(blobsDir, nameOf(digest));
}

async function sizeOf(image: StoredImage, path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw damaged(image, 'a blob of it is missing', error);
    throw error;
  }
}

async function readSmall(image: StoredImage, path: string): Promise<Buffer> {
  if ((await sizeOf(image, path)) > MAX_DESCRIPTION_BYTES)
    throw damaged(image, 'its description is too large');
  return await readFile(path);
}

function parseManifest(
  manifest: Buffer,
  image: StoredImage,
): { value: Readonly<Record<string, unknown>>; mediaType: string; configDigest: string } {
  const value = parseObject(manifest, image);
  const { mediaType, config } = value;
  const digest = isRecord(config) ? config['digest'] : undefined;
  if (typeof digest !== 'string' || !DIGEST.test(digest))
    throw damaged(image, 'its manifest has no configuration');
  return { value, mediaType: typeof mediaType === 'string' ? mediaType : OCI_MANIFEST, configDigest: digest };
}

function parseObject(text: Buffer, image: StoredImage): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text.toString('utf8'));
    if (isRecord(value)) return value;
  } catch (error) {
    throw damaged(image, `its description is not JSON: ${messageOf(error)}`, error);
  }
  throw damaged(image, 'its description is no object');
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** Name of a blob in a layout. */
function nameOf(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function damaged({ name }: StoredImage, problem: string, cause?: unknown): AppError {
  return new AppError('IMAGE_DAMAGED', `Cannot build from image "${name}": ${problem}`, {
    hint: `pull it again: banger image pull ${name} --force`,
    details: { image: name },
    cause,
  });
}
