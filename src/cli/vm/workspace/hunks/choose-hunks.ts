import type { PulledFile, PullFileChoice } from '../../../../protocol/api/workspace-pull.ts';
import type { Answers } from '../../../context/answers.ts';
import type { Style } from '../../../render/style.ts';
import { choiceOf, type Piece, piecesOf, splitPiece } from './pieces.ts';
import { fileHeader, pieceHelp, pieceLines, pieceQuestion } from './render-pieces.ts';

/** How a user is asked. */
export interface Asking {
  answers: Pick<Answers, 'ask'>;
  show(text: string): void;
  style: Style;
}

/**
 * Asks about each piece of each file, as `git add -p` does, and returns what is wanted; `undefined` when the
 * answers end before the questions.
 */
export async function chooseHunks(
  files: readonly PulledFile[],
  asking: Asking,
): Promise<PullFileChoice[] | undefined> {
  const choices: PullFileChoice[] = [];
  for (const [number, file] of files.entries()) {
    const pieces = piecesOf(file);
    asking.show(fileHeader(file, asking.style));
    const end = await choosePieces(pieces, { ...asking, file: number + 1, files: files.length });
    if (end === 'no answer') return undefined;
    const choice = choiceOf(file, pieces);
    if (choice) choices.push(choice);
    if (end === 'quit') break;
  }
  return choices;
}

/** Asks about the pieces of one file, and notes the answers in them; a piece that is split is replaced. */
async function choosePieces(
  pieces: Piece[],
  { answers, show, style, file, files }: Asking & { file: number; files: number },
): Promise<'done' | 'quit' | 'no answer'> {
  let at = 0;
  let isShown = false;
  for (let piece = pieces[at]; piece; piece = pieces[at]) {
    const parts = splitPiece(piece);
    const letters = `ynqad${parts.length > 1 ? 's' : ''}${at > 0 ? 'K' : ''}`;
    if (!isShown) show(pieceLines(piece, style));
    isShown = true;
    const places = { file, files, piece: at + 1, pieces: pieces.length };
    const answer = await answers.ask(style.bold(pieceQuestion(piece, { at: places, letters })));
    if (answer === undefined) return 'no answer';
    const letter = letterOf(answer);
    switch (letter) {
      case 'y':
      case 'n':
        piece.isWanted = letter === 'y';
        at += 1;
        break;
      case 'a':
      case 'd':
        for (const later of pieces.slice(at)) later.isWanted = letter === 'a';
        return 'done';
      case 'q':
        for (const later of pieces.slice(at)) later.isWanted = false;
        return 'quit';
      case 's':
        pieces.splice(at, 1, ...parts);
        show(parts.length > 1 ? `Split into ${parts.length} hunks.\n` : 'This cannot be split.\n');
        isShown = parts.length <= 1;
        continue;
      case 'K':
        if (at > 0) at -= 1;
        break;
      default:
        if (answer !== '') show(pieceHelp(piece, letters));
        continue;
    }
    isShown = false;
  }
  return 'done';
}

/** As git takes answers: in any case, except for `K`; and a whole word for the two that are usual. */
function letterOf(answer: string): string {
  if (/^(yes|no)$/i.test(answer)) return answer.slice(0, 1).toLowerCase();
  return /^[YNADQS]$/.test(answer) ? answer.toLowerCase() : answer;
}
