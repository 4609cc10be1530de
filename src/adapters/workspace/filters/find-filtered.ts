import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { bytePath } from '../byte-path.ts';
import { USER_ATTRIBUTES } from '../config-files.ts';
import type { IndexListing } from '../git/index-listing.ts';
import { nulList } from '../git/nul-list.ts';
import { readSmallFile } from '../small-file.ts';
import type { WorkspaceWork } from '../workspace-work.ts';

/**
 * The tracked files that pass through a filter driver (gitattributes(5)) when git reads or writes them. Asks
 * git about each file only if a file of attributes names a filter at all.
 */
export async function findFiltered(
  work: WorkspaceWork,
  { listing, signal }: Abortable & { listing: IndexListing },
): Promise<string[]> {
  if (!(await isAnyFilterNamed(work, listing))) return [];
  const { stdout } = await work.staged.git.run(['check-attr', '-z', '--stdin', 'filter'], {
    signal,
    input: Buffer.from(nulList(listing.paths), 'latin1'),
  });
  const fields = stdout.toString('latin1').split('\0');
  const filtered: string[] = [];
  for (let at = 0; at + 2 < fields.length; at += 3) {
    if (!/^(unspecified|unset|set)$/.test(fields[at + 2] ?? '')) filtered.push(fields[at] ?? '');
  }
  return filtered;
}

async function isAnyFilterNamed(
  { repository, staged }: WorkspaceWork,
  { paths }: IndexListing,
): Promise<boolean> {
  for (const name of ['info/attributes', USER_ATTRIBUTES]) {
    if (namesFilter(await readSmallFile(join(staged.gitDir, name), { followLink: false }))) return true;
  }
  for (const path of paths) {
    if (path !== '.gitattributes' && !path.endsWith('/.gitattributes')) continue;
    const content = await readSmallFile(bytePath(repository.root, path), { followLink: false });
    // Git reads one that is not on disk from the index.
    if (!content || namesFilter(content)) return true;
  }
  return false;
}

function namesFilter(attributes: Buffer | undefined): boolean {
  return attributes?.includes('filter=') ?? false;
}
