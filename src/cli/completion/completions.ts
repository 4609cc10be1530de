/** What could be typed next. */
export interface Completions {
  /** what the shell offers besides: nothing, or the folders or all files of the host */
  directive: ':none' | ':folders' | ':files';
  /** `word` or `word<tab>meaning`; nothing is typed behind a word that ends in `/` or `:` but more of it */
  candidates: string[];
}

/** A word that could be typed, and what it is for. */
export interface Candidate {
  word: string;
  meaning?: string;
}

/** What there is now to name. None of these fails: who presses Tab is not told why there is nothing. */
export interface LiveNames {
  names(kind: 'vm' | 'image' | 'operation' | 'template'): Promise<Candidate[]>;
  /** tags of the snapshots of a VM */
  tags(ref: string): Promise<Candidate[]>;
  /** names in a folder of a running VM's guest, those of folders with a `/` behind */
  guestFiles(ref: string, folder: string): Promise<string[]>;
}

/** Nothing to offer. */
export const NOTHING: Completions = { directive: ':none', candidates: [] };

/** Those that begin with what is typed; options only when something is. */
export function matching(candidates: readonly Candidate[], current: string): Completions {
  const fitting = candidates.filter(
    ({ word }) => word.startsWith(current) && (current !== '' || !word.startsWith('-')),
  );
  return { directive: ':none', candidates: fitting.map(lineOf) };
}

function lineOf({ word, meaning }: Candidate): string {
  return meaning ? `${word}\t${meaning}` : word;
}
