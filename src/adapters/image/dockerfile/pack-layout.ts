import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, invariant, isErrno, messageOf } from '../../../base/errors.ts';
import { isRecord } from '../../../base/json-schema/check.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../base/tar/write-tar.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';

/** Largest manifest; registries refuse larger ones. */
const MAX_MANIFEST_BYTES = 4 * 2 ** 20;

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Packs an image as a tar of an OCI image layout: `oci-layout`, `index.json`, and its blobs, which are read
 * while the stream is.
 *
 * @throws {AppError} IMAGE_DAMAGED when a blob is missing.
 */
export async function packLayout(
  image: StoredImage,
  { blobsDir, signal }: Abortable & { blobsDir: string },
): Promise<Readable> {
  const { manifestDigest, blobs } = image.provenance;
  invariant(manifestDigest !== undefined, 'the image has layers');
  const sizes = new Map<string, number>();
  for (const digest of blobs) sizes.set(digest, await sizeOf(image, blobPath(blobsDir, digest)));
  const size = sizes.get(manifestDigest) ?? 0;
  if (size > MAX_MANIFEST_BYTES) throw damaged(image, 'its manifest is too large');
  const manifest = await readFile(blobPath(blobsDir, manifestDigest), 'utf8');
  const descriptor = { mediaType: mediaTypeOf(manifest, image), digest: manifestDigest, size };
  const files = [
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
    ['index.json', JSON.stringify({ schemaVersion: 2, manifests: [descriptor] })],
  ] as const;
  return Readable.from(
    (async function* () {
      for (const [name, text] of files) {
        const content = Buffer.from(text);
        yield fileHeader(name, content.length);
        yield content;
        yield tarPadding(content.length);
      }
      for (const [digest, sizeBytes] of sizes) {
        yield fileHeader(`blobs/sha256/${digest.slice('sha256:'.length)}`, sizeBytes);
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
  return join(blobsDir, 'blobs', 'sha256', digest.slice('sha256:'.length));
}

async function sizeOf(image: StoredImage, path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw damaged(image, 'a blob of it is missing', error);
    throw error;
  }
}

function mediaTypeOf(manifest: string, image: StoredImage): string {
  try {
    const value: unknown = JSON.parse(manifest);
    const mediaType = isRecord(value) ? value['mediaType'] : undefined;
    return typeof mediaType === 'string' ? mediaType : OCI_MANIFEST;
  } catch (error) {
    throw damaged(image, `its manifest is not JSON: ${messageOf(error)}`, error);
  }
}

function damaged({ name }: StoredImage, problem: string, cause?: unknown): AppError {
  return new AppError('IMAGE_DAMAGED', `Cannot build from image "${name}": ${problem}`, {
    hint: `pull it again: banger image pull ${name} --force`,
    details: { image: name },
    cause,
  });
}
