/**
 * Characters that HFS+ ignores in names: git reads `.g<U+200C>it` as `.git` there
 * (`core.protectHFS` of git-config(1)).
 */
const HFS_IGNORED = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Longest path, and longest part of it, in bytes: Linux refuses longer ones. */
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;

/** Files of git that must not be links, because git reads what they lead to. */
const NO_LINKS = /^\.git(modules|attributes|ignore)$|^\.mailmap$/;

/**
 * Why a path from a guest must not be written in a working tree; `undefined` when it may. Paths are latin1.
 * Counts as `.git` whatever some file system takes for it: other case, NTFS's short name and streams, HFS+'s
 * ignored characters.
 */
export function unsafePath(path: string): string | undefined {
  if (path === '' || path.includes('\0')) return 'it is no name of a file';
  if (path.length > MAX_PATH_BYTES) return 'its name is too long';
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return 'it leaves the working tree';
    if (part.length > MAX_NAME_BYTES) return 'its name is too long';
    // On NTFS a backslash separates folders.
    if (part.split('\\').some((name) => isGitFolder(name))) return 'its name stands for .git';
  }
  return undefined;
}

/** Whether some file system takes `name` for `.git`. */
function isGitFolder(name: string): boolean {
  return spellings(name).some((spelling) => spelling === '.git' || spelling === 'git~1');
}

/**
 * Why a symbolic link from a guest must not be made; `undefined` when it may. It may lead only to places
 * inside the working tree, and its `..` may only come first: after a name they could go through another link.
 */
export function unsafeLink(path: string, target: string): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (spellings(name).some((spelling) => NO_LINKS.test(spelling))) return 'git would follow this link';
  if (target === '' || target.includes('\0') || target.length > MAX_PATH_BYTES)
    return 'it is a link to no name of a file';
  if (target.startsWith('/')) return 'it is a link that leaves the working tree';
  let depth = path.split('/').length - 1;
  let isInside = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      depth -= 1;
      if (isInside || depth < 0) return 'it is a link that leaves the working tree';
      continue;
    }
    isInside = true;
    if (part.split('\\').some((each) => isGitFolder(each))) return 'it is a link to .git';
  }
  return undefined;
}

/** Under which name file systems that ignore case or characters may find a file; equal names collide. */
export function foldedName(name: string): string {
  return decoded(name)
    .replace(HFS_IGNORED, '')
    .normalize('NFKC')
    .toLowerCase()
    .toUpperCase()
    .normalize('NFC');
}

/** `name` as HFS+ and as NTFS may read it, in lower case. */
function spellings(name: string): string[] {
  const text = decoded(name);
  const hfs = text.replace(HFS_IGNORED, '').normalize('NFC').toLowerCase();
  const ntfs = (text.split(':')[0] ?? '').replace(/[. ]+$/, '').toLowerCase();
  return [hfs, ntfs];
}

function decoded(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}
