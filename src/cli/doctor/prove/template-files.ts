import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { DoctorCheck } from '../../../protocol/api/daemon.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';

const CHECK = 'template files';
const CHUNK_BYTES = 4 * 1024 * 1024;

/** SHA-256 of each file of a template, by its name. */
export type Digests = ReadonlyMap<string, string>;

/** Returns the template from which a VM has just been made, if any. */
export async function templateOf(
  vm: Vm,
  client: BangerClient,
  options: Abortable,
): Promise<string | undefined> {
  const templates = await client.listTemplates(options);
  // The most recently used template comes first.
  return templates.find(
    ({ image, shape }) => image === vm.image && JSON.stringify(shape) === JSON.stringify(vm.shape),
  )?.key;
}

/** Hashes all files of the template in `dir`; returns undefined when there is no template any more. */
export async function digestsOf(dir: string, { signal }: Abortable): Promise<Digests | undefined> {
  try {
    const digests = new Map<string, string>();
    for (const name of (await readdir(dir)).sort()) {
      const hash = createHash('sha256');
      await pipeline(createReadStream(join(dir, name), { highWaterMark: CHUNK_BYTES }), hash, { signal });
      digests.set(name, hash.digest('hex'));
    }
    return digests;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Checks that the files are unchanged. */
export function filesVerdict(before: Digests | undefined, after: Digests | undefined): DoctorCheck {
  if (!before || !after) {
    return { name: CHECK, status: 'warn', message: 'there is no template: these VMs were booted' };
  }
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const changed = names.filter((name) => before.get(name) !== after.get(name));
  return changed.length === 0
    ? { name: CHECK, status: 'pass', message: `${plural(names.length, 'file')}, none of them changed` }
    : { name: CHECK, status: 'fail', message: `changed: ${changed.join(', ')}` };
}
