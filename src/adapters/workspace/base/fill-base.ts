import { chmod, mkdir, writeFile } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { BaseRequest } from '../../../core/ports/work-disk-bases.ts';
import type { PackedWorkspace } from '../../../core/ports/workspace.ts';
import { isWatched } from '../guest-config.ts';
import { bootId } from './base-folders.ts';
import type { BaseFiles, BaseManifest, BaseRepository } from './base-manifest.ts';
import { makeDisk } from './make-disk.ts';

/** A base to make. */
export interface FillRequest extends Abortable {
  key: string;
  request: BaseRequest;
  repository: BaseRepository;
  packed: PackedWorkspace;
  /** the program `banger-host` */
  hostTools: string;
}

/**
 * Writes the files of a base to a new folder. The manifest is the last of them.
 *
 * @throws {AppError} as `WorkDiskBases.make`
 */
export async function fillBase(
  files: BaseFiles,
  { key, request, repository, packed, hostTools, signal }: FillRequest,
): Promise<void> {
  await mkdir(files.dir, { mode: 0o700 });
  const keeping = packed.keep(files.sent);
  keeping.catch(() => {});
  const { diskSizeBytes, folder: at, image } = request;
  try {
    await makeDisk(
      {
        ...{ hostTools, target: files.disk, sizeBytes: diskSizeBytes, uuid: key.slice(0, 32) },
        ...{ rootfsPath: image.rootfsPath, folder: at, tar: packed.tar, nowMs: Date.now() },
        ...(isWatched(packed.summary) ? { watchedPath: `/root/${at}` } : {}),
      },
      { signal },
    );
    await packed.done;
  } finally {
    // Nothing may write there any more when the folder is removed.
    await keeping.catch(() => {});
  }
  const sentCommit = await keeping;
  if (sentCommit === undefined) throw baseFailed(request, 'git cannot store the tree that is sent');
  await chmod(files.disk, 0o400);
  const { headCommit } = packed.summary;
  const manifest: BaseManifest = {
    ...{ format: 1, key, repository, imageName: image.name, diskSizeBytes, sentCommit },
    ...(headCommit === undefined ? {} : { headCommit }),
    createdAt: new Date().toISOString(),
    bootId: await bootId(),
  };
  await writeFile(files.manifest, JSON.stringify(manifest), { mode: 0o600 });
}

/** The error of a base that cannot be made from its repository. */
export function baseFailed({ repoRoot }: BaseRequest, why: string): AppError {
  return new AppError('WORKSPACE_BASE_FAILED', `Cannot make a base image of "${repoRoot}": ${why}`);
}
