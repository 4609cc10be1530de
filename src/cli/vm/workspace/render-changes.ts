import { printable } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { ChangedFile } from '../../../sdk/workspace/changed-files.ts';
import type { Style } from '../../render/style.ts';
import { cut } from '../../render/table.ts';

/** Width of a terminal that does not say how wide it is. */
const USUAL_COLUMNS = 80;

/** Longest row of `+` and `-`. */
const MAX_BAR_CHARS = 40;

const LETTERS = { added: 'A', modified: 'M', deleted: 'D', 'type changed': 'T' } as const;

/** A line for each file: a letter for how it was changed, and its path. */
export function nameStatusLines(files: readonly ChangedFile[]): string {
  return files.map(({ status, path }) => `${LETTERS[status]}\t${printable(path)}\n`).join('');
}

/** A line for each file with how many lines were changed and a bar of that length, and a line of sums. */
export function statLines(
  files: readonly ChangedFile[],
  { style, width = USUAL_COLUMNS }: { style: Style; width: number | undefined },
): string {
  const names = files.map(({ path }) => printable(path));
  const most = files.reduce((max, file) => Math.max(max, lineCount(file)), 0);
  const countChars = Math.max(3, String(most).length);
  const longest = names.reduce((max, name) => Math.max(max, name.length), 0);
  const barChars = Math.min(MAX_BAR_CHARS, Math.max(10, Math.floor(width / 3)), Math.max(most, 1));
  const nameChars = Math.max(10, Math.min(longest, width - barChars - countChars - 6));
  const lines = files.map((file, at) => {
    const name = cut(names[at] ?? '', nameChars).padEnd(nameChars);
    if (file.isBinary) return ` ${name} | ${'Bin'.padStart(countChars)}\n`;
    const scale = most > barChars ? barChars / most : 1;
    const bar = (count: number, sign: string): string =>
      count === 0 ? '' : sign.repeat(Math.max(1, Math.round(count * scale)));
    const signs = style.green(bar(file.insertions, '+')) + style.red(bar(file.deletions, '-'));
    return ` ${name} | ${String(lineCount(file)).padStart(countChars)} ${signs}\n`;
  });
  const sum = (of: 'insertions' | 'deletions'): number => files.reduce((total, file) => total + file[of], 0);
  const sums = [
    `${plural(files.length, 'file')} changed`,
    plural(sum('insertions'), 'insertion'),
    plural(sum('deletions'), 'deletion'),
  ];
  return `${lines.join('')} ${sums.join(', ')}\n`;
}

function lineCount({ insertions, deletions }: ChangedFile): number {
  return insertions + deletions;
}
