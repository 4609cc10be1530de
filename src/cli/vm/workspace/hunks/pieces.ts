import { changesOf, type Hunk, parseHunks, splitHunk } from '../../../../base/text/diff-hunks.ts';
import type { PulledFile, PullFileChoice } from '../../../../protocol/api/workspace-pull.ts';

/** What a user is asked about at once: something of one file. */
export interface Piece {
  kind: 'addition' | 'deletion' | 'file' | 'mode' | 'hunk';
  /** what is shown of the diff */
  hunks: readonly Hunk[];
  /** the file's changes in it, by their numbers */
  changes: readonly number[];
  /** absent: not yet answered */
  isWanted?: boolean;
}

/** The pieces of a file, as `git add -p` has them: its mode first, then its hunks. */
export function piecesOf({ patch, isWhole, oldMode, newMode }: PulledFile): Piece[] {
  const hunks = parseHunks(patch);
  if (isWhole) {
    const kind = newMode === undefined ? 'deletion' : oldMode === undefined ? 'addition' : 'file';
    return [{ kind, hunks, changes: [] }];
  }
  const mode: Piece[] = oldMode === newMode ? [] : [{ kind: 'mode', hunks: [], changes: [] }];
  let next = 0;
  const pieces = hunks.map((hunk): Piece => {
    const changes = changesOf(hunk).map((_, at) => next + at);
    next += changes.length;
    return { kind: 'hunk', hunks: [hunk], changes };
  });
  return [...mode, ...pieces];
}

/** A piece for each change of a hunk; only the piece itself when it cannot be split. */
export function splitPiece(piece: Piece): Piece[] {
  const [hunk] = piece.hunks;
  if (piece.kind !== 'hunk' || !hunk) return [piece];
  return splitHunk(hunk).map((part, at) => ({
    kind: 'hunk',
    hunks: [part],
    changes: piece.changes.slice(at, at + 1),
  }));
}

/** What the answers mean for a file; `undefined` when nothing of it is wanted. */
export function choiceOf({ path, digest }: PulledFile, pieces: readonly Piece[]): PullFileChoice | undefined {
  const wanted = pieces.filter(({ isWanted }) => isWanted === true);
  if (wanted.length === 0) return undefined;
  if (wanted.length === pieces.length) return { path, digest };
  const keepsMode = pieces.some(({ kind, isWanted }) => kind === 'mode' && isWanted !== true);
  const changes = wanted.flatMap((piece) => piece.changes);
  return { path, digest, changes, ...(keepsMode ? { keepsMode } : {}) };
}
