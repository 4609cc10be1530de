import type { Catalog, CommandDefinition, OptionDefinition, ValueKind } from '../program/command.ts';
import { flagOf, groupOf, shownOptions, subgroupsOf } from '../program/command.ts';
import { shortWords, writeOut } from '../program/short-forms.ts';
import { completeValue } from './complete-value.ts';
import { type Candidate, type Completions, type LiveNames, matching, NOTHING } from './completions.ts';

/** What completion needs. */
export interface CompletionParts {
  catalog: Catalog;
  live: LiveNames;
}

/**
 * Completes the last of `words`, which are those after `banger`; it may be empty. Never throws, whatever is
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
  // Words after `--` belong to the guest.
  if (before.includes('--')) return NOTHING;
  const { live } = parts;
  const { positionals, openOption } = readWords(definition, before);
  if (openOption) return await completeValue(openOption, { current, before: positionals, live });
  const [, flag, value] = /^(--[a-z-]+=)(.*)$/s.exec(current) ?? [];
  if (flag !== undefined && value !== undefined) {
    const option = optionNamed(definition, flag.slice(0, -1));
    if (!option || option.type === 'flag') return NOTHING;
    const found = await completeValue(kindOf(option), { current: value, before: positionals, live });
    return { directive: ':none', candidates: found.candidates.map((word) => `${flag}${word}`) };
  }
  if (current.startsWith('-')) return matching(flagsOf(definition), current);
  const argument =
    definition.args[positionals.length] ?? definition.args.find(({ isVariadic }) => isVariadic);
  if (!argument) return NOTHING;
  return await completeValue(argument.kind, { current, before: positionals, live });
}

/**
 * Sorts words into positionals and options. If the last option still needs its value, returns the kind of
 * that value.
 */
function readWords(
  definition: CommandDefinition,
  words: readonly string[],
): { positionals: string[]; openOption?: ValueKind | readonly string[] } {
  const positionals: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    // A single - stands for stdin or stdout.
    if (!word.startsWith('-') || word === '-') {
      positionals.push(word);
      continue;
    }
    const option = optionNamed(definition, word);
    if (!option || option.type === 'flag') continue;
    if (at === words.length - 1) {
      return { positionals, openOption: kindOf(option) };
    }
    at += 1;
  }
  return { positionals };
}

function optionNamed({ options }: CommandDefinition, flag: string): OptionDefinition | undefined {
  const found = Object.entries(options).find(
    ([name, { short }]) => flag === flagOf(name) || (short !== undefined && flag === `-${short}`),
  );
  return found?.[1];
}

function kindOf(option: OptionDefinition): ValueKind | readonly string[] {
  return (option.type === 'value' && option.kind) || 'other';
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

/** Returns the longest group name that the words begin with, or an empty one. */
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

function flagsOf(command: CommandDefinition): Candidate[] {
  return [
    ...shownOptions(command).map(([name, { summary }]) => ({ word: flagOf(name), meaning: summary })),
    { word: '--help', meaning: 'show help' },
  ];
}
