import { printable } from '../../../../base/errors.ts';
import { hunkHeader } from '../../../../base/text/diff-hunks.ts';
import type { PulledFile } from '../../../../protocol/api/workspace-pull.ts';
import type { Style } from '../../../render/style.ts';
import { cutLines, diffPainter } from '../diff-painter.ts';
import type { Piece } from './pieces.ts';

const WORDS: Readonly<Record<Piece['kind'], string>> = {
  addition: 'the addition of this file',
  deletion: 'the deletion of this file',
  file: 'this file',
  mode: 'this change of the mode',
  hunk: 'this hunk',
};

/** The lines above the pieces of a file, as git shows them. */
export function fileHeader({ path, oldMode, newMode, note, patch }: PulledFile, style: Style): string {
  const name = printable(path);
  const modes = [
    ...(oldMode === undefined ? [`new file mode ${newMode}`] : []),
    ...(newMode === undefined ? [`deleted file mode ${oldMode}`] : []),
    ...(oldMode !== undefined && newMode !== undefined && oldMode !== newMode
      ? [`old mode ${oldMode}`, `new mode ${newMode}`]
      : []),
  ];
  const sides = [
    `--- ${oldMode === undefined ? '/dev/null' : `a/${name}`}`,
    `+++ ${newMode === undefined ? '/dev/null' : `b/${name}`}`,
  ];
  const lines = [`diff --git a/${name} b/${name}`, ...modes, ...(patch === '' ? [] : sides)];
  const shown = lines.map((line) => style.bold(line));
  if (note !== undefined) shown.push(`The changes are not shown: ${printable(note)}.`);
  return shown.map((line) => `${line}\n`).join('');
}

/** The lines of a piece. They come from a guest: nothing in them reaches the terminal as it is. */
export function pieceLines({ hunks }: Piece, style: Style): string {
  const paint = diffPainter(style);
  const linesOf = cutLines();
  return hunks
    .flatMap((hunk) => [hunkHeader(hunk), ...hunk.lines])
    .flatMap((line) => linesOf(Buffer.from(`${line}\n`)))
    .map((line) => `${paint(line)}\n`)
    .join('');
}

/** The question about a piece: where it is, and which letters answer it. */
export function pieceQuestion(
  { kind }: Piece,
  { at, letters }: { at: { file: number; files: number; piece: number; pieces: number }; letters: string },
): string {
  const { file, files, piece, pieces } = at;
  return `(file ${file}/${files}, ${piece}/${pieces}) Pull ${WORDS[kind]} [${[...letters, '?'].join(',')}]? `;
}

/** What each of `letters` means. */
export function pieceHelp({ kind }: Piece, letters: string): string {
  const it = WORDS[kind];
  const meanings: Readonly<Record<string, string>> = {
    y: `pull ${it}`,
    n: `do not pull ${it}`,
    q: `quit; pull what was chosen so far, but neither ${it} nor anything after it`,
    a: `pull ${it} and all later hunks in the file`,
    d: `do not pull ${it} or any of the later hunks in the file`,
    s: 'split this hunk into smaller hunks',
    K: 'go back to the hunk before',
    '?': 'print help',
  };
  return [...letters, '?'].map((letter) => `${letter} - ${meanings[letter] ?? ''}\n`).join('');
}
