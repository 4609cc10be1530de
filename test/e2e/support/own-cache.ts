import { copyFile, mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { linkTree } from '../../../src/base/files/link-tree.ts';
import { type Environment, processEnvironment, resolvePaths } from '../../../src/config/settings.ts';

/**
 * The environment of a lab whose cache is in `dir`. It has the user's templates, so that starts are warm, and
 * no base images of repositories: the test may prune all of them.
 */
export async function ownCache(dir: string): Promise<Environment> {
  const users = resolvePaths(processEnvironment());
  const env = { XDG_CACHE_HOME: dir };
  const own = resolvePaths({ ...processEnvironment(), ...env });
  await mkdir(own.templatesDir, { recursive: true, mode: 0o700 });
  const keys = (await namesIn(users.templatesDir)).filter((name) => !name.startsWith('.'));
  for (const key of keys) {
    const [from, to] = [join(users.templatesDir, key), join(own.templatesDir, key)];
    await linkTree(from, to);
    // The time of a manifest says when its template was used last: that of the user's stays.
    const manifest = join(to, 'manifest.json');
    await rm(manifest, { force: true });
    await copyManifest(join(from, 'manifest.json'), manifest);
  }
  return env;
}

async function copyManifest(from: string, to: string): Promise<void> {
  const { atime, mtime } = await stat(from);
  await copyFile(from, to);
  await utimes(to, atime, mtime);
}

async function namesIn(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return await readdir(folder);
}
