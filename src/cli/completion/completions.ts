/** What could be typed next. */
export interface Completions {
  /** what the shell offers as well: nothing, folders of the host, or all its files */
  directive: ':none' | ':folders' | ':files';
  /** `word` or `word<tab>meaning`; after a word that ends in `/` or `:`, the shell adds no blank */
  candidates: string[];
}

/** A possible word, and its meaning. */
export interface Candidate {
  word: string;
  meaning?: string;
}

/** Names that exist now. None of these rejects: completion shows no errors. */
export interface LiveNames {
  names(kind: 'vm' | 'image' | 'kernel' | 'operation' | 'template'): Promise<Candidate[]>;
  /** tags of the snapshots of a VM */
  tags(ref: string): Promise<Candidate[]>;
  /** names in a folder of a running VM's guest; those of folders end in `/` */
  guestFiles(ref: string, folder: string): Promise<string[]>;
}

/** Nothing to offer. */
export const NOTHING: Completions = { directive: ':none', candidates: [] };

/** Returns the candidates that begin with `current`; options only when it is not empty. */
export function matching(candidates: readonly Candidate[], current: string): Completions {
  const fitting = candidates.filter(
    ({ word }) => word.startsWith(current) && (current !== '' || !word.startsWith('-')),
  );
  return { directive: ':none', candidates: fitting.map(lineOf) };
}

function lineOf({ word, meaning }: Candidate): string {
  return meaning ? `${word}\t${meaning}` : word;
}
