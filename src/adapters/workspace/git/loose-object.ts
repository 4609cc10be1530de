import { createHash } from 'node:crypto';
import type { StagedRepository } from './staged-repository.ts';

/** An object as git stores it, before compression. */
export interface LooseObject {
  name: string;
  encoded: Buffer;
}

/** Encodes and names an object as `git hash-object` does: its kind, its size and its content. */
export function looseObject(
  kind: 'blob' | 'commit',
  content: Buffer,
  { nullObject }: Pick<StagedRepository, 'nullObject'>,
): LooseObject {
  const encoded = Buffer.concat([Buffer.from(`${kind} ${content.length}\0`), content]);
  const hash = createHash(nullObject.length === 64 ? 'sha256' : 'sha1');
  return { name: hash.update(encoded).digest('hex'), encoded };
}
