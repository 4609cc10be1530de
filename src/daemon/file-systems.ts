import { AppError } from '../base/errors.ts';
import { type FileSystemFacts, probeFileSystem } from '../base/files/file-system.ts';
import { MOVED_BY, type Paths } from '../config/paths.ts';

/** Our folders, by what each needs from its file system. */
const FOLDERS = ['stateDir', 'dataDir', 'cacheDir'] as const;

/** One of our folders, and its file system. */
export interface FolderFacts extends FileSystemFacts {
  dir: string;
  /** the variable that moves it */
  movedBy: string;
}

/** Tests our folders, which must exist; one that serves as several only once. */
export async function probeFolders(paths: Paths): Promise<FolderFacts[]> {
  const folders = FOLDERS.filter(
    (name, index) => FOLDERS.findIndex((n) => paths[n] === paths[name]) === index,
  );
  return await Promise.all(
    folders.map(async (name) => ({
      ...(await probeFileSystem(paths[name])),
      dir: paths[name],
      movedBy: MOVED_BY[name],
    })),
  );
}

/**
 * Refuses folders on a file system that cannot hold records and VMs, before anything is put there.
 *
 * @throws {AppError} FILE_SYSTEM_UNSUPPORTED naming each folder, what its file system lacks, and the variable
 * that moves it.
 */
export function requireUsable(folders: readonly FolderFacts[]): void {
  const bad = folders.filter(({ missing }) => missing.length > 0);
  const [first] = bad;
  if (!first) return;
  const problems = bad.map(
    ({ dir, name, missing }) => `"${dir}" is on a file system (${name}) that does not ${missing.join(', ')}`,
  );
  throw new AppError('FILE_SYSTEM_UNSUPPORTED', `Cannot keep VMs here: ${problems.join('; ')}`, {
    hint: `set ${bad.map(({ movedBy }) => movedBy).join(' and ')} to a folder on a local file system`,
    details: { field: first.movedBy, path: first.dir, fileSystem: first.name, missing: first.missing },
  });
}
