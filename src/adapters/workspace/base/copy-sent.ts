import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import { linkTree } from '../../../base/files/link-tree.ts';

/**
 * Gives `dir` what is kept of a sent tree in `sent`, and of its submodules beside it (`sent/kept-tree.ts`),
 * in place of what was there. A process that dies meanwhile leaves there either nothing or all of it,
 * and so does another daemon that removes the base. Does not create the parent of `dir`.
 */
export async function copySent(sent: string, dir: string): Promise<void> {
  const prefix = basename(sent);
  await rm(dir, { recursive: true, force: true });
  const names = await readdirIfThere(dirname(sent));
  const suffixes = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const copy = async (suffix: string): Promise<void> => {
    const next = `${dir}${suffix}.new`;
    await rm(next, { recursive: true, force: true });
    await mkdir(next, { mode: 0o700 });
    await linkTree(sent + suffix, next);
    // Another daemon of this user may have removed it meanwhile.
    if (!(await readdirIfThere(sent + suffix)).includes('sent.json')) {
      await rm(next, { recursive: true, force: true });
      return;
    }
    await rm(dir + suffix, { recursive: true, force: true });
    await rename(next, dir + suffix);
  };
  await Promise.all(suffixes.filter((suffix) => suffix !== '').map(copy));
  // Without that of the repository itself, nothing uses those of its submodules.
  if (suffixes.includes('')) await copy('');
}
