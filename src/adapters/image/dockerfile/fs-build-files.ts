import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../../base/errors.ts';
import { openStaging } from '../../../base/files/staging.ts';
import { formatSize } from '../../../base/text/size.ts';
import type {
  BuildContext,
  BuildFiles,
  ContextPlaces,
  KeptArchive,
} from '../../../core/ports/images/build-files.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import { freeBytes, noSpace } from '../space.ts';
import { storeLayout } from '../store/layout.ts';
import { MAX_SECRET_BYTES } from './context-limits.ts';
import { limitBytes } from './limit-bytes.ts';
import { openContext } from './open-context.ts';
import { packLayout } from './pack-layout.ts';

/** What {@link FsBuildFiles} needs. */
export interface BuildFilesOptions {
  imagesDir: string;
  /** folder of the blob store */
  blobsDir: string;
  /** environment of system tools */
  env: NodeJS.ProcessEnv;
}

/** The host's side of a build, as files. */
export class FsBuildFiles implements BuildFiles {
  readonly #options: BuildFilesOptions;

  constructor(options: BuildFilesOptions) {
    this.#options = options;
  }

  async openContext(places: ContextPlaces, { signal }: Abortable): Promise<BuildContext> {
    return await openContext(places, { env: this.#options.env, signal });
  }

  async readSecret(path: string): Promise<Buffer> {
    try {
      await using file = await open(path, 'r');
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_SECRET_BYTES + 1));
      if (bytesRead <= MAX_SECRET_BYTES) return Buffer.from(buffer.subarray(0, bytesRead));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EISDIR')) throw error;
      throw secretInvalid(path, messageOf(error), error);
    }
    throw secretInvalid(path, `it is larger than ${formatSize(MAX_SECRET_BYTES)}`);
  }

  async packLayout(image: StoredImage, { signal }: Abortable): Promise<Readable> {
    return await packLayout(image, { blobsDir: this.#options.blobsDir, signal });
  }

  async keepArchive(
    tar: Readable,
    { maxBytes, signal }: Abortable & { maxBytes: number },
  ): Promise<KeptArchive> {
    const { imagesDir } = this.#options;
    await mkdir(imagesDir, { recursive: true, mode: 0o755 });
    const folder = await openStaging(storeLayout(imagesDir).staging, {
      removeTree: (dir: string) => rm(dir, { recursive: true, force: true }),
    });
    const path = join(folder.dir, `${randomBytes(4).toString('hex')}.tar`);
    const bounded = limitBytes(maxBytes, () => tooLarge(maxBytes));
    try {
      await pipeline(tar, bounded, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
    } catch (error) {
      await folder[Symbol.asyncDispose]();
      if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
      throw noSpace('of the Dockerfile', { dir: imagesDir, free: await freeBytes(imagesDir), cause: error });
    }
    return { path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
  }
}

function secretInvalid(path: string, why: string, cause?: unknown): AppError {
  return new AppError('IMAGE_SECRET_INVALID', `Cannot use "${path}" as a secret: ${why}`, {
    hint: 'give a file: --secret id=NAME,src=FILE',
    details: { path },
    cause,
  });
}

function tooLarge(maxBytes: number): AppError {
  return new AppError(
    'IMAGE_TOO_LARGE',
    `Cannot keep the image of the Dockerfile: it is larger than ${formatSize(maxBytes)}`,
    { details: { maxBytes } },
  );
}
