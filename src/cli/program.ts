import { Command, CommanderError, Option } from 'commander';
import { AppError, unreachable } from '../base/errors.ts';
import type { Settings } from '../config/settings.ts';
import {
  type Catalog,
  type CommandDefinition,
  type GroupDefinition,
  type Invocation,
  type OptionDefinition,
  optionTerm,
  usageOf,
} from './command.ts';
import { commandHelp, groupHelp, type HelpOptions, rootHelp } from './help.ts';

/** What a command line means: a command to run, or a text to print. */
export type ParsedLine =
  | { kind: 'run'; definition: CommandDefinition; invocation: Invocation }
  | { kind: 'text'; text: string };

/** What the parser knows. */
export interface ProgramParts {
  catalog: Catalog;
  help: HelpOptions & { settings?: Settings | undefined };
  /** text of `--version` */
  versionLine: string;
}

/**
 * Parses a command line; runs nothing.
 *
 * @throws {AppError} USAGE_* for everything that is not a command line of ours, with the nearest name as the hint.
 */
export function parseLine(argv: readonly string[], parts: ProgramParts): ParsedLine {
  const { line, trailing } = splitTrailing(argv);
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
  const groups = new Map(parts.catalog.groups.map((group) => [group.name, addGroup(root, group, parts)]));
  for (const definition of parts.catalog.commands) {
    const [first, ...rest] = definition.path;
    const parent = rest.length > 0 ? groups.get(first) : root;
    const command = addCommand(parent ?? root, definition, parts);
    command.action(() => {
      found = {
        kind: 'run',
        definition,
        invocation: invocationOf(command, { definition, trailing, catalog: parts.catalog }),
      };
    });
  }
  try {
    root.parse(helpFirst(line), { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isText = ['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(error.code);
    if (isText) return { kind: 'text', text };
    throw usageError(error, line);
  }
  return found ?? { kind: 'text', text: rootHelp(parts.catalog, parts.help) };
}

/** Words after the first `--` belong to the guest: no parser of ours looks at them. */
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

function addGroup(root: Command, group: GroupDefinition, parts: ProgramParts): Command {
  return prepare(root.command(group.name), () =>
    groupHelp(group, { ...parts.help, commands: parts.catalog.commands }),
  );
}

function addCommand(parent: Command, definition: CommandDefinition, parts: ProgramParts): Command {
  const name = definition.path.at(-1) ?? '';
  const command = prepare(parent.command(name, { hidden: definition.isHidden ?? false }), () =>
    commandHelp(definition, parts.help),
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

function invocationOf(
  command: Command,
  {
    definition,
    trailing,
    catalog,
  }: { definition: CommandDefinition; trailing: string[] | undefined; catalog: Catalog },
): Invocation {
  const name = definition.path.join(' ');
  if (trailing && !definition.trailing) {
    throw new AppError('USAGE_ARGUMENTS', `Cannot use "--" with ${name}: it runs no command`, {
      hint: `usage: ${usageOf(definition)}`,
    });
  }
  const isOpen = definition.args.some(({ isVariadic }) => isVariadic);
  const excess = isOpen ? [] : command.args.slice(definition.args.length);
  if (excess.length > 0) {
    const taken = command.args
      .slice(0, definition.args.length)
      .map((word) => ` ${word}`)
      .join('');
    throw new AppError(
      'USAGE_ARGUMENTS',
      `Cannot use ${JSON.stringify(excess[0])} with ${name}: it is one argument too many`,
      {
        hint: definition.trailing
          ? `a command goes after --, as in: banger ${name}${taken} -- ${excess.join(' ')}`
          : `usage: ${usageOf(definition)}`,
      },
    );
  }
  const given = command.opts<Record<string, unknown>>();
  const options = Object.fromEntries(
    Object.entries(definition.options).map(([key, option]) => [key, optionValue(key, { option, given })]),
  );
  const invocation = { args: command.args, options, catalog };
  return trailing ? { ...invocation, trailing } : invocation;
}

function optionValue(
  key: string,
  { option, given }: { option: OptionDefinition; given: Record<string, unknown> },
): string | string[] | boolean | undefined {
  // Commander keeps `--no-x` as `x: false`.
  const positive = /^no([A-Z].*)$/.exec(key)?.[1];
  const value = positive ? given[positive.charAt(0).toLowerCase() + positive.slice(1)] : given[key];
  switch (option.type) {
    case 'flag':
      return value === !positive;
    case 'list':
      return Array.isArray(value) ? value : [];
    case 'value':
      return typeof value === 'string' ? value : undefined;
    default:
      return unreachable(option, 'option');
  }
}

const USAGE_CODES: Readonly<Record<string, string>> = {
  'commander.unknownCommand': 'USAGE_UNKNOWN_COMMAND',
  'commander.unknownOption': 'USAGE_UNKNOWN_OPTION',
  'commander.optionMissingArgument': 'USAGE_OPTION_VALUE',
};

function usageError(error: CommanderError, line: readonly string[]): AppError {
  // Commander gives "error: <what>" and, on a second line, its suggestion in brackets.
  const [what = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const words = line.filter((word) => !word.startsWith('-')).slice(0, 2);
  const hint = suggestion ? suggestion.replace(/^\(Did you mean (.*)\?\)$/, 'did you mean $1?') : undefined;
  return new AppError(USAGE_CODES[error.code] ?? 'USAGE_ARGUMENTS', what, {
    hint:
      hint ??
      `banger ${words.slice(0, error.code === 'commander.unknownCommand' ? words.length - 1 : 2).join(' ')} --help`.replace(
        / +/g,
        ' ',
      ),
  });
}
