import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import { parseJsonc } from '../../../base/text/jsonc.ts';
import { isWithin } from '../config.ts';
import { isObject } from '../keys/key.ts';
import { withoutVersion } from './feature.ts';
import { invalid } from './order.ts';

const MAX_BYTES = 2 ** 20;
const DIGEST = /@sha256:[0-9a-f]{64}$/;

/**
 * The references with digests that the lock file beside a `devcontainer.json` has for features; empty when
 * there is none. Other tools write it.
 *
 * @throws {AppError} DEVCONTAINER_FEATURE_INVALID for a file that cannot be used.
 */
export function readLockFile({ file, repoRoot }: { file: string; repoRoot: string }): Map<string, string> {
  const prefix = basename(file).startsWith('.') ? '.' : '';
  const name = `${prefix}devcontainer-lock.json`;
  const text = textOf(join(dirname(file), name), repoRoot, name);
  if (text === undefined) return new Map();
  const parsed = parseJsonc(text);
  if ('problem' in parsed) throw invalid(`${name}: ${parsed.problem}`, { file: name });
  const features = isObject(parsed.value) ? parsed.value['features'] : undefined;
  if (!isObject(features)) throw invalid(`${name}: it has no object "features"`, { file: name });
  const locked = new Map<string, string>();
  for (const [ref, entry] of Object.entries(features)) {
    const resolved = isObject(entry) ? entry['resolved'] : undefined;
    const isRight =
      typeof resolved === 'string' &&
      DIGEST.test(resolved) &&
      withoutVersion(resolved) === withoutVersion(ref);
    if (!isRight) throw invalid(`${name}: "${ref}" has no digest of the same feature`, { file: name });
    locked.set(ref, resolved);
  }
  return locked;
}

function textOf(path: string, repoRoot: string, name: string): string | undefined {
  try {
    const real = realpathSync(path);
    if (!isWithin(realpathSync(repoRoot), real)) throw invalid(`${name} leads out of the repository`, {});
    const found = statSync(real);
    if (!found.isFile() || found.size > MAX_BYTES) throw invalid(`${name} is no file of at most 1 MiB`, {});
    return readFileSync(real, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
