import { open } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import type { FileContent, ImageSources } from '../../core/ports/images/image-source.ts';

/** Offset and value of the magic number in ext4's superblock (ext4.h, `s_magic`), little-endian. */
const MAGIC_AT = 1024 + 0x38;
const MAGIC = 0xef53;

type FilesOnly = ImageSources['file'];

/** Takes ext4 file systems of the user as they are. */
export class FileSource implements FilesOnly {
  /** @throws {AppError} IMAGE_FILE_INVALID when the file is missing, or no ext4 file system. */
  async fetch({ path }: { path: string }, { signal }: Abortable): Promise<FileContent> {
    signal.throwIfAborted();
    const problem = await problemOf(path);
    if (problem === undefined) return { kind: 'file', path };
    throw new AppError('IMAGE_FILE_INVALID', `Cannot use "${path}" as a root file system: ${problem}`, {
      hint: 'give a file with an ext4 file system; banger image import takes archives and folders',
      details: { path },
    });
  }
}

async function problemOf(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r');
    if (!(await file.stat()).isFile()) return 'it is not a file';
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, MAGIC_AT);
    return bytesRead === 2 && buffer.readUInt16LE() === MAGIC ? undefined : 'it has no ext4 file system';
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return 'it does not exist';
    if (isErrno(error, 'EACCES')) return 'this user may not read it';
    if (isErrno(error, 'EISDIR')) return 'it is not a file';
    throw error;
  }
}
