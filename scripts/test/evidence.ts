import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * Copies every log that tests left under `scratch` to `folder`, in place of an earlier run's. A test that passes removes its folder; one that
 * fails leaves it, so what is found belongs to failures. Gives the number of files.
 */
export async function collectEvidence(scratch: string, folder: string): Promise<number> {
  await rm(folder, { recursive: true, force: true });
  const found = (await readdir(scratch, { recursive: true })).filter((path) => path.endsWith('.log'));
  for (const path of found) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await cp(join(scratch, path), target);
  }
  return found.length;
}
