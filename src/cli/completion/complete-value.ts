import type { ValueKind } from '../program/command.ts';
import { type Candidate, type Completions, type LiveNames, matching, NOTHING } from './completions.ts';
import { completeCopyPlace } from './copy-place.ts';

/** The place of a value on the command line. */
export interface ValuePlace {
  current: string;
  /** words of the command before it, without options */
  before: readonly string[];
  live: LiveNames;
}

/** Completes a value: with live names, with fixed values, or by the shell. */
export async function completeValue(
  kind: ValueKind | readonly string[],
  { current, before, live }: ValuePlace,
): Promise<Completions> {
  if (typeof kind !== 'string') return matching(plain(kind), current);
  switch (kind) {
    case 'vm':
    case 'image':
    case 'kernel':
    case 'operation':
    case 'template': {
      const names = await live.names(kind);
      return matching(
        names.filter(({ word }) => !before.includes(word)),
        current,
      );
    }
    case 'tag':
      return matching(await live.tags(before[0] ?? ''), current);
    case 'folder':
      return { directive: ':folders', candidates: [] };
    case 'file':
      return { directive: ':files', candidates: [] };
    case 'copy':
      return await completeCopyPlace({ current, before, live });
    case 'other':
      return NOTHING;
    default:
      return kind satisfies never;
  }
}

function plain(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word }));
}
