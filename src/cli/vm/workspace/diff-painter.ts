import { INVISIBLE } from '../../../base/text/unprintable.ts';
import type { Style } from '../../render/style.ts';

/** Most bytes of a line that are shown. */
const MAX_LINE_BYTES = 10_000;

/**
 * Returns a function that takes a diff in pieces and returns the lines that each completes. Long lines are
 * cut, so that memory stays bounded.
 */
export function cutLines(): (chunk: Buffer) => string[] {
  let rest = Buffer.alloc(0);
  let isCut = false;
  const keep = (part: Buffer): void => {
    const room = MAX_LINE_BYTES - rest.length;
    if (part.length > room) isCut = true;
    rest = Buffer.concat([rest, part.subarray(0, Math.max(0, room))]);
  };
  return (chunk) => {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      keep(chunk.subarray(from, at));
      lines.push(rest.toString('utf8') + (isCut ? '…' : ''));
      rest = Buffer.alloc(0);
      isCut = false;
      from = at + 1;
    }
    keep(chunk.subarray(from));
    return lines;
  };
}

/**
 * Returns a function that paints the lines of a diff, one call for each in their order. A line of a guest may
 * contain anything: its control characters are shown as `^[` and the like, so that it cannot hide or forge
 * other lines. The counts of each hunk decide what is a header, because a removed line may look like one.
 */
export function diffPainter(style: Style): (line: string) => string {
  let oldLeft = 0;
  let newLeft = 0;
  return (line) => {
    const shown = visible(line);
    if (oldLeft > 0 || newLeft > 0) {
      const first = line[0];
      if (first !== '+' && first !== '\\') oldLeft -= 1;
      if (first !== '-' && first !== '\\') newLeft -= 1;
      if (first === '+') return style.green(shown);
      return first === '-' ? style.red(shown) : shown;
    }
    const [, oldCount, newCount] = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(line) ?? [];
    if (line.startsWith('@@ ')) {
      oldLeft = Number(oldCount ?? 1);
      newLeft = Number(newCount ?? 1);
      return style.cyan(shown);
    }
    return line.startsWith('\\') ? shown : style.bold(shown);
  };
}

/** `line` without anything that a terminal obeys, except tabs. */
function visible(line: string): string {
  return line
    .replace(/[\p{Zl}\p{Zp}]/gu, ' ')
    .replace(INVISIBLE, '\ufffd')
    .replace(/[\p{Cc}]/gu, (found) => {
      const code = found.charCodeAt(0);
      if (found === '\t') return found;
      return code < 0x20 ? `^${String.fromCharCode(code + 64)}` : '^?';
    });
}
