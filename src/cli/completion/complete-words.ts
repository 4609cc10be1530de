import type { Catalog, CommandDefinition, ValueKind } from '../program/command.ts';
import { flagOf, groupOf, subgroupsOf } from '../program/command.ts';
import { shortWords, writeOut } from '../program/short-forms.ts';

/** What could be typed next. */
export interface Completions {
  /** what the shell should offer besides: nothing, or the folders of the file system */
  directive: ':none' | ':folders';
  /** `word` or `word<tab>meaning` */
  candidates: string[];
}

/** What completion knows. */
export interface CompletionParts {
  catalog: Catalog;
  /** names that exist now, of what can be named */
  namesOf: (kind: 'vm' | 'image') => Promise<string[]>;
}

interface Candidate {
  word: string;
  meaning?: string;
}

const SHELLS = ['bash', 'fish', 'zsh'];

const NOTHING: Completions = { directive: ':none', candidates: [] };

/**
 * Completes the last of `words`, which are those after `banger`; it may be empty. Never fails over what is
 * typed.
 */
export async function completionsOf(words: readonly string[], parts: CompletionParts): Promise<Completions> {
  const { catalog } = parts;
  const before = writeOut(words.slice(0, -1), catalog);
  const current = words.at(-1) ?? '';
  const group = groupOfWords(before, catalog);
  const depth = group === '' ? 0 : group.split(' ').length;
  if (before.length === depth) {
    return matching(group === '' ? topLevel(catalog) : membersOf(catalog, group), current);
  }
  const path = before.slice(0, depth + 1);
  const definition = catalog.commands.find((command) => command.path.join(' ') === path.join(' '));
  if (!definition) return NOTHING;
  return await completeIn(definition, { before: before.slice(path.length), current, parts });
}

interface Place {
  before: readonly string[];
  current: string;
  parts: CompletionParts;
}

async function completeIn(
  definition: CommandDefinition,
  { before, current, parts }: Place,
): Promise<Completions> {
  // Behind `--` are the guest's words.
  if (before.includes('--')) return NOTHING;
  const { positionals, openOption } = readWords(definition, before);
  if (openOption) return await completeValue(openOption, { current, parts, taken: [] });
  if (current.startsWith('-')) return matching(flagsOf(definition), current);
  const argument =
    definition.args[positionals.length] ?? definition.args.find(({ isVariadic }) => isVariadic);
  if (!argument) return NOTHING;
  return await completeValue(argument.kind, { current, parts, taken: positionals });
}

async function completeValue(
  kind: ValueKind,
  { current, parts, taken }: { current: string; parts: CompletionParts; taken: readonly string[] },
): Promise<Completions> {
  switch (kind) {
    case 'vm':
    case 'image': {
      const names = await parts.namesOf(kind);
      return matching(
        names.filter((name) => !taken.includes(name)).map((word) => ({ word })),
        current,
      );
    }
    case 'shell':
      return matching(
        SHELLS.map((word) => ({ word })),
        current,
      );
    case 'folder':
      return { directive: ':folders', candidates: [] };
    case 'other':
      return NOTHING;
    default:
      return kind satisfies never;
  }
}

/**
 * Sorts words into positionals and options; an option at the end that still needs its value is given by the
 * kind of that.
 */
function readWords(
  definition: CommandDefinition,
  words: readonly string[],
): { positionals: string[]; openOption?: ValueKind } {
  const positionals: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-')) {
      positionals.push(word);
      continue;
    }
    const found = Object.entries(definition.options).find(
      ([name, { short }]) => word === flagOf(name) || (short !== undefined && word === `-${short}`),
    );
    const option = found?.[1];
    if (!option || option.type === 'flag') continue;
    if (at === words.length - 1) {
      return { positionals, openOption: (option.type === 'value' && option.kind) || 'other' };
    }
    at += 1;
  }
  return { positionals };
}

function topLevel(catalog: Catalog): Candidate[] {
  const { groups, commands } = catalog;
  const alone = commands.filter(({ path, isHidden }) => path.length === 1 && !isHidden);
  return [
    ...subgroupsOf(groups, '').map(({ name, summary }) => ({ word: name, meaning: summary })),
    ...shortWords(catalog).map(({ word, command }) => ({ word, meaning: command.summary })),
    ...alone.map(({ path, summary }) => ({ word: path[0], meaning: summary })),
    { word: '--help', meaning: 'show help' },
    { word: '--version', meaning: 'print the version' },
  ];
}

/** The longest name of a group that the words begin with; empty when they begin with none. */
function groupOfWords(words: readonly string[], { groups }: Catalog): string {
  let found = '';
  for (const [at] of words.entries()) {
    const name = words.slice(0, at + 1).join(' ');
    if (groups.some((group) => group.name === name)) found = name;
  }
  return found;
}

function membersOf({ groups, commands }: Catalog, group: string): Candidate[] {
  const own = commands.filter((command) => groupOf(command) === group && !command.isHidden);
  return [
    ...own.map(({ path, summary }) => ({ word: path.at(-1) ?? '', meaning: summary })),
    ...subgroupsOf(groups, group).map(({ name, summary }) => ({
      word: name.split(' ').at(-1) ?? '',
      meaning: summary,
    })),
  ];
}

function flagsOf({ options }: CommandDefinition): Candidate[] {
  return [
    ...Object.entries(options).map(([name, { summary }]) => ({ word: flagOf(name), meaning: summary })),
    { word: '--help', meaning: 'show help' },
  ];
}

function matching(candidates: readonly Candidate[], current: string): Completions {
  const fitting = candidates.filter(
    ({ word }) => word.startsWith(current) && (current !== '' || !word.startsWith('-')),
  );
  return {
    directive: ':none',
    candidates: fitting.map(({ word, meaning }) => (meaning ? `${word}\t${meaning}` : word)),
  };
}
