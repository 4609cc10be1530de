import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isErrno, messageOf } from '../../../base/errors.ts';
import { isWithin } from '../config.ts';
import type { ConfigPlace } from '../keys/key.ts';
import type { Feature, FeatureWish } from './feature.ts';
import { readFeatureMetadata } from './read-metadata.ts';

const METADATA_FILE = 'devcontainer-feature.json';
const MAX_METADATA_BYTES = 2 ** 20;

/**
 * Finds a feature that is a folder of the working tree; returns what is wrong with it as a text. Links lead
 * nowhere else either.
 */
export function findLocalFeature(
  wish: FeatureWish,
  { configDir, repoRoot }: Pick<ConfigPlace, 'configDir' | 'repoRoot'>,
): Feature | string {
  const path = resolve(configDir, wish.ref);
  if (wish.ref.includes('\0') || !isWithin(repoRoot, path)) return 'it is outside of the repository';
  try {
    const dir = realpathSync(path);
    const root = realpathSync(repoRoot);
    const files = [METADATA_FILE, 'install.sh'].map((name) => realpathSync(join(dir, name)));
    if (![dir, ...files].every((one) => isWithin(root, one))) return 'it leads out of the repository';
    return readFeatureFolder(wish, dir);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) throw error;
    return `it has no ${METADATA_FILE} and install.sh: ${messageOf(error)}`;
  }
}

/** Reads the feature whose files are in `dir`; returns what is wrong with it as a text. */
export function readFeatureFolder(wish: FeatureWish, dir: string): Feature | string {
  for (const name of [METADATA_FILE, 'install.sh']) {
    const found = statSync(join(dir, name), { throwIfNoEntry: false });
    if (!found?.isFile()) return `it has no file ${name}`;
  }
  const file = join(dir, METADATA_FILE);
  if (statSync(file).size > MAX_METADATA_BYTES) return `${METADATA_FILE} is larger than 1 MiB`;
  const metadata = readFeatureMetadata(readFileSync(file, 'utf8'));
  if (typeof metadata === 'string') return `${METADATA_FILE}: ${metadata}`;
  return { ...wish, dir, metadata };
}
