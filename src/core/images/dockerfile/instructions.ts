/** An instruction of a Dockerfile. */
export interface Instruction {
  /** in upper case */
  name: string;
  /** the words after it, on one line */
  text: string;
  /** number of its first line, from 1 */
  line: number;
}

/** Instructions that may contain documents: `RUN <<EOF`. */
const WITH_DOCUMENTS: ReadonlySet<string> = new Set(['RUN', 'COPY', 'ADD']);

/**
 * The instructions of a Dockerfile, and the character that continues lines and escapes others. Comments, and
 * the documents inside of instructions, are left out.
 */
export function readInstructions(text: string): { instructions: Instruction[]; escapeWith: string } {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
  const escapeWith = escapeOf(lines);
  const instructions: Instruction[] = [];
  for (let at = 0; at < lines.length; ) {
    const first = at;
    const parts: string[] = [];
    let isOpen = true;
    for (; isOpen && at < lines.length; at += 1) {
      const line = lines[at] ?? '';
      const isComment = /^\s*#/.test(line);
      if (isComment || (parts.length > 0 && line.trim() === '')) continue;
      const trimmed = line.trimEnd();
      isOpen = trimmed.endsWith(escapeWith);
      parts.push(isOpen ? trimmed.slice(0, -1) : line);
    }
    const [, name = '', rest = ''] = /^\s*(\S+)\s*(.*)$/s.exec(parts.join('')) ?? [];
    if (name === '') continue;
    const instruction = { name: name.toUpperCase(), text: rest.trim(), line: first + 1 };
    instructions.push(instruction);
    if (WITH_DOCUMENTS.has(instruction.name)) at = afterDocuments(rest, lines, at);
  }
  return { instructions, escapeWith };
}

/** Directives are comments before everything else. */
function escapeOf(lines: readonly string[]): string {
  for (const line of lines) {
    const [, key = '', value = ''] = /^\s*#\s*([A-Za-z]+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
    if (key === '') break;
    if (key.toLowerCase() === 'escape') return value === '`' ? '`' : '\\';
  }
  return '\\';
}

/** Number of the first line after the documents that an instruction announces. */
function afterDocuments(text: string, lines: readonly string[], start: number): number {
  let at = start;
  for (const [, dash, , word] of text.matchAll(/(?:^|\s)\d?<<(-?)(["']?)([A-Za-z0-9_.-]+)\2/g)) {
    const end = (line: string): boolean => (dash === '-' ? line.replace(/^\t+/, '') : line) === word;
    const found = lines.findIndex((line, number) => number >= at && end(line));
    // Without its end it is no document.
    if (found >= 0) at = found + 1;
  }
  return at;
}
