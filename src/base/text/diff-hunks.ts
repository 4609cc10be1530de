/** One hunk of a unified diff (diffutils manual, "Detailed Description of Unified Format"). */
export interface Hunk {
  /** number of its first line in the old file, from 1; the line before it when it has none of that file */
  oldStart: number;
  newStart: number;
  /** what follows the second `@@` */
  heading: string;
  /** with ` `, `-`, `+` or `\` before each, without line ends */
  lines: readonly string[];
}

/** Lines of the old file that others take the place of. */
export interface LineChange {
  /** lines of the old file before it */
  at: number;
  removedCount: number;
  /** with their line ends */
  added: readonly string[];
}

/** Parses the hunks of one file. Text before the first is ignored. */
export function parseHunks(text: string): Hunk[] {
  const hunks: (Hunk & { lines: string[] })[] = [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const line of lines) {
    const [, oldStart, newStart, heading = ''] =
      /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/s.exec(line) ?? [];
    if (oldStart !== undefined) {
      hunks.push({ oldStart: Number(oldStart), newStart: Number(newStart), heading, lines: [] });
    } else hunks.at(-1)?.lines.push(line);
  }
  return hunks;
}

/** The line with which a hunk begins. */
export function hunkHeader({ oldStart, newStart, heading, lines }: Hunk): string {
  const count = (other: string): number =>
    lines.filter((line) => !`${other}\\`.includes(line[0] ?? '')).length;
  return `@@ -${oldStart},${count('+')} +${newStart},${count('-')} @@${heading}`;
}

/** The changes of a hunk: each run of removed and added lines. */
export function changesOf({ oldStart, lines }: Hunk): LineChange[] {
  const changes: (LineChange & { added: string[] })[] = [];
  const hasOld = lines.some((line) => line[0] === ' ' || line[0] === '-');
  let at = hasOld ? oldStart - 1 : oldStart;
  let isInChange = false;
  for (const [index, line] of lines.entries()) {
    if (line[0] === '\\') continue;
    if (line[0] === ' ') {
      isInChange = false;
      at += 1;
      continue;
    }
    if (!isInChange) changes.push({ at, removedCount: 0, added: [] });
    isInChange = true;
    const change = changes.at(-1);
    if (!change) continue;
    if (line[0] === '-') {
      change.removedCount += 1;
      at += 1;
    } else change.added.push(lines[index + 1]?.[0] === '\\' ? line.slice(1) : `${line.slice(1)}\n`);
  }
  return changes;
}

/** Splits a hunk into one for each of its changes. The lines between two changes are in both. */
export function splitHunk(hunk: Hunk): Hunk[] {
  const { oldStart, newStart, heading, lines } = hunk;
  const parts: Hunk[] = [];
  const starts = lines.flatMap((line, index) =>
    isChange(line) && !isChange(lines.slice(0, index).findLast((one) => one[0] !== '\\')) ? [index] : [],
  );
  if (starts.length < 2) return [hunk];
  for (const [number, start] of starts.entries()) {
    const before = lines.slice(0, start).findLastIndex(isChange);
    const from = number === 0 ? 0 : lines.findIndex((line, index) => index > before && line[0] === ' ');
    const to = starts[number + 1] ?? lines.length;
    const passed = lines.slice(0, from);
    parts.push({
      oldStart: oldStart + passed.filter((line) => line[0] === ' ' || line[0] === '-').length,
      newStart: newStart + passed.filter((line) => line[0] === ' ' || line[0] === '+').length,
      heading: number === 0 ? heading : '',
      lines: lines.slice(from, to),
    });
  }
  return parts;
}

/** `old` with some of its changes, which are in the order of their lines. */
export function withChanges(old: string, changes: readonly LineChange[]): string {
  const lines = old.split(/(?<=\n)/);
  const parts: string[] = [];
  let done = 0;
  for (const { at, removedCount, added } of changes) {
    parts.push(...lines.slice(done, at), ...added);
    done = at + removedCount;
  }
  return [...parts, ...lines.slice(done)].join('');
}

function isChange(line: string | undefined): boolean {
  return line?.[0] === '-' || line?.[0] === '+';
}
