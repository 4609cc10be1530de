import { Command, CommanderError, Option } from 'commander';
import { AppError } from '../../base/errors.ts';
import type { Settings } from '../../config/settings.ts';
import {
  type Catalog,
  type CommandDefinition,
  type GroupDefinition,
  groupOf,
  type Invocation,
  type OptionDefinition,
  optionTerm,
} from './command.ts';
import { commandHelp, groupHelp, type HelpOptions, rootHelp } from './help.ts';
import { invocationOf } from './invocation.ts';
import { shortWords, writeOut } from './short-forms.ts';

/** The result of parsing: a command to run, or a text to print. */
export type ParsedLine =
  | { kind: 'run'; definition: CommandDefinition; invocation: Invocation }
  | { kind: 'text'; text: string };

/** What the parser needs. */
export interface ProgramParts {
  catalog: Catalog;
  help: HelpOptions & { settings?: Settings | undefined };
  /** text of `--version` */
  versionLine: string;
}

/**
 * Parses a command line; runs nothing.
 *
 * @throws {AppError} USAGE_* for an invalid command line; the hint names the closest match.
 */
export function parseLine(argv: readonly string[], parts: ProgramParts): ParsedLine {
  const { line: typed, trailing } = splitTrailing(argv);
  const line = writeOut(helpFirst(typed), parts.catalog);
  const words = knownWords(line, parts.catalog).join(' ');
  let found: ParsedLine | undefined;
  let text = '';
  const root = new Command('banger').exitOverride().configureOutput({
    writeOut: (chunk) => {
      text += chunk;
    },
    writeErr: (chunk) => {
      text += chunk;
    },
    outputError: () => {},
  });
  prepare(root, () => rootHelp(parts.catalog, parts.help));
  root.version(parts.versionLine, '--version');
  const named = parts.catalog.commands.find(({ path }) => path.join(' ') === words);
  const parentOf = addGroups(root, named, parts);
  if (named) {
    const command = addCommand(parentOf(named), named, parts);
    command.action(() => {
      const given = { args: command.args, given: command.opts<Record<string, unknown>>(), trailing };
      found = {
        kind: 'run',
        definition: named,
        invocation: invocationOf(named, { ...given, catalog: parts.catalog }),
      };
    });
  } else {
    // Needed only to suggest a name for an unknown word.
    const groups = new Set(parts.catalog.groups.map(({ name }) => name));
    for (const definition of parts.catalog.commands) {
      // A group's name is known already when it is a command too.
      if (groups.has(definition.path.join(' '))) continue;
      const hidden = definition.isHidden ?? false;
      parentOf(definition).command(definition.path.at(-1) ?? '', { hidden });
    }
    for (const { word } of shortWords(parts.catalog)) root.command(word);
  }
  try {
    root.parse(line, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isText = ['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(error.code);
    if (isText) return { kind: 'text', text };
    throw usageError(error, { line, catalog: parts.catalog });
  }
  return found ?? { kind: 'text', text: rootHelp(parts.catalog, parts.help) };
}

/** Words after the first `--` are for the guest; the parser does not look at them. */
function splitTrailing(argv: readonly string[]): { line: string[]; trailing?: string[] } {
  const at = argv.indexOf('--');
  return at < 0 ? { line: [...argv] } : { line: argv.slice(0, at), trailing: argv.slice(at + 1) };
}

/** `banger help vm run` is `banger vm run --help`. */
function helpFirst(line: readonly string[]): string[] {
  return line[0] === 'help' ? [...line.slice(1), '--help'] : [...line];
}

function prepare(command: Command, help: () => string): Command {
  return command
    .helpCommand(false)
    .helpOption('-h, --help')
    .configureHelp({ formatHelp: help })
    .showSuggestionAfterError(true)
    .allowExcessArguments(true);
}

/**
 * Adds the groups that `named` is in, or all of them, and returns the function that finds a command's group.
 * A parser that has everything takes ten times as long to make as one that has what the line names.
 */
function addGroups(
  root: Command,
  named: CommandDefinition | undefined,
  parts: ProgramParts,
): (definition: CommandDefinition) => Command {
  const within = named && groupOf(named);
  const groups = new Map([['', root]]);
  for (const group of parts.catalog.groups) {
    if (within !== undefined && within !== group.name && !within.startsWith(`${group.name} `)) continue;
    const parent = groups.get(group.name.split(' ').slice(0, -1).join(' ')) ?? root;
    groups.set(group.name, addGroup(parent, group, parts));
  }
  return (definition) => groups.get(groupOf(definition)) ?? root;
}

function addGroup(parent: Command, group: GroupDefinition, parts: ProgramParts): Command {
  const name = group.name.split(' ').at(-1) ?? '';
  return prepare(parent.command(name), () => groupHelp(group, { ...parts.help, ...parts.catalog }));
}

function addCommand(parent: Command, definition: CommandDefinition, parts: ProgramParts): Command {
  const name = definition.path.at(-1) ?? '';
  const command = prepare(parent.command(name, { hidden: definition.isHidden ?? false }), () =>
    commandHelp(definition, { ...parts.help, ...parts.catalog }),
  );
  for (const { name: argument, isRequired, isVariadic } of definition.args) {
    const shown = isVariadic ? `${argument}...` : argument;
    command.argument(isRequired ? `<${shown}>` : `[${shown}]`);
  }
  for (const [optionName, option] of Object.entries(definition.options)) {
    command.addOption(toCommander(optionName, option));
  }
  return command;
}

function toCommander(name: string, option: OptionDefinition): Option {
  const made = new Option(optionTerm(name, option));
  if (option.type === 'list') made.argParser((value, before: string[] = []) => [...before, value]);
  return made;
}

const USAGE_CODES: Readonly<Record<string, string>> = {
  'commander.unknownCommand': 'USAGE_UNKNOWN_COMMAND',
  'commander.unknownOption': 'USAGE_UNKNOWN_OPTION',
  'commander.optionMissingArgument': 'USAGE_OPTION_VALUE',
};

function usageError(
  error: CommanderError,
  { line, catalog }: { line: readonly string[]; catalog: Catalog },
): AppError {
  // Commander writes "error: <what>" and, on a second line, its suggestion in brackets.
  const [what = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const nearest = /^\(Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1];
  const words = knownWords(line, catalog);
  return new AppError(USAGE_CODES[error.code] ?? 'USAGE_ARGUMENTS', what, {
    hint: nearest ? `did you mean ${nearest}?` : ['banger', ...words, '--help'].join(' '),
  });
}

/** Returns the words of `line` that name a command or a group. */
function knownWords(line: readonly string[], { groups, commands }: Catalog): string[] {
  const known = new Set([...groups.map(({ name }) => name), ...commands.map(({ path }) => path.join(' '))]);
  const words: string[] = [];
  for (const word of line) {
    if (!known.has([...words, word].join(' '))) break;
    words.push(word);
  }
  return words;
}
