import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { linkTarget } from '../merge/host-side.ts';

/** A digest of a file's kind and content, or of a link's target. */
export async function digestOfFile(path: Buffer, kind: 'file' | 'link'): Promise<string> {
  const hash = createHash('sha256').update(`${kind}\0`);
  if (kind === 'link') return hash.update(await linkTarget(path), 'latin1').digest('hex');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
