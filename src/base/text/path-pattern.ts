/** A pattern for paths of files. */
export interface PathPattern {
  /** the folder, or the file, that contains everything that it matches; empty for the top */
  readonly place: string;
  /** Whether a path, or a folder that it is in, matches. */
  matches(path: string): boolean;
}

/**
 * Parses a pattern: `*` and `?` match within a name, `**` also across folders. Without any of them, it is the
 * name of a file, or of a folder with everything in it.
 */
export function pathPattern(text: string): PathPattern {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  const firstWild = parts.findIndex((part) => /[*?]/.test(part));
  const place = (firstWild < 0 ? parts : parts.slice(0, firstWild)).join('/');
  const source = parts.map((part, at) => {
    const isLast = at === parts.length - 1;
    if (part === '**') return isLast ? '.+' : '(?:.+/)?';
    return `${sourceOf(part)}${isLast ? '' : '/'}`;
  });
  const whole = new RegExp(`^${source.join('')}(?:/.*)?$`, 's');
  return { place, matches: (path) => whole.test(path) };
}

function sourceOf(part: string): string {
  return part
    .replace(/\*+/g, '*')
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
}
