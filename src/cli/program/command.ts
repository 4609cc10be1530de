import type { Settings } from '../../config/settings.ts';
import type { CommandContext } from '../context/context.ts';

/**
 * What a value on the command line is, for completion. `tag`: the tag of a snapshot of the VM before it;
 * `copy`: a source or target of `vm cp`.
 */
export type ValueKind =
  | 'vm'
  | 'image'
  | 'kernel'
  | 'operation'
  | 'template'
  | 'tag'
  | 'folder'
  | 'file'
  | 'copy'
  | 'other';

/** A positional argument. */
export interface ArgumentDefinition {
  name: string;
  summary: string;
  isRequired: boolean;
  isVariadic?: boolean;
  /** what it is, or all that it may be */
  kind: ValueKind | readonly string[];
}

/** What follows `--`: a command for the guest, passed on word for word. */
export interface TrailingDefinition {
  name: string;
  summary: string;
  isRequired: boolean;
}

/** An option; its long flag is its key in kebab-case. */
export type OptionDefinition = FlagOption | ValueOption | ListOption;

interface OptionBase {
  summary: string;
  /** one letter */
  short?: string;
  /** works, but help, completion and the reference do not name it */
  isHidden?: boolean;
}

/** An option without a value. */
export interface FlagOption extends OptionBase {
  type: 'flag';
}

/** An option with one value; the last one wins. */
export interface ValueOption extends OptionBase {
  type: 'value';
  /**
   * keeps bytes that are not UTF-8, escaped (`base/escaped-bytes.ts`); in other options U+FFFD replaces them
   */
  keepsBytes?: boolean;
  /** placeholder for the value in help */
  value: string;
  /** what it is, or all that it may be; absent: `other` */
  kind?: ValueKind | readonly string[];
  /** the default as help shows it; without settings, the rule that determines it */
  defaultText?: (settings: Settings | undefined) => string;
}

/** An option that may be given several times. */
export interface ListOption extends OptionBase {
  type: 'list';
  /** see {@link ValueOption} */
  keepsBytes?: boolean;
  value: string;
}

/** Options by camelCase name. */
export type OptionDefinitions = Readonly<Record<string, OptionDefinition>>;

/** The value of one option after parsing. */
type OptionValue<T> = T extends FlagOption ? boolean : T extends ListOption ? string[] : string | undefined;

/** The values of a set of options after parsing. */
export type OptionValues<O extends OptionDefinitions> = { [K in keyof O]: OptionValue<O[K]> };

/** What the user typed for one command. */
export interface Invocation<O extends OptionDefinitions = OptionDefinitions> {
  args: string[];
  /** words after `--`, with bytes that are not UTF-8 escaped; absent when there is no `--` */
  trailing?: string[];
  options: OptionValues<O>;
  /** the whole command line, for commands that need it, such as completion */
  catalog: Catalog;
}

/** All groups and commands. */
export interface Catalog {
  groups: readonly GroupDefinition[];
  commands: readonly CommandDefinition[];
  shortForms: readonly ShortForm[];
}

/** Another way to type a command. */
export interface ShortForm {
  /** words after `banger` */
  words: readonly [string, ...string[]];
  /** path of the command that they abbreviate */
  path: CommandDefinition['path'];
}

/** One way to use a command, and what it does. */
export interface Example {
  command: string;
  does: string;
}

/** One command. Help, parsing, completion and `docs/cli.md` are generated from it. */
export interface CommandDefinition<O extends OptionDefinitions = OptionDefinitions> {
  /** words after `banger` */
  path: readonly [string, ...string[]];
  summary: string;
  description: string;
  examples: readonly [Example, ...Example[]];
  args: readonly ArgumentDefinition[];
  trailing?: TrailingDefinition;
  options: O;
  isHidden?: boolean;
  /**
   * failures that are not wrong usage exit with 125, because every other status may be the guest command's
   * own
   */
  runsGuestCommand?: boolean;
  /** Runs the command and returns the exit status. Imports heavy parts lazily. */
  run(invocation: Invocation<O>, context: CommandContext): Promise<number>;
}

/** A group of commands, such as `vm`. */
export interface GroupDefinition {
  /** words after `banger`; in lists, a group follows the group that contains it: `vm`, `vm workspace` */
  name: string;
  summary: string;
  description: string;
  /** works, but help, completion and the reference do not name it */
  isHidden?: boolean;
}

/** Carries the types of one command's options into its `run`. */
export function defineCommand<const O extends OptionDefinitions>(
  definition: CommandDefinition<O>,
): CommandDefinition {
  // The parser derives the values from this definition, so the types match.
  return definition as unknown as CommandDefinition;
}

/** Returns the name of the group that contains a command; empty for a command outside of all groups. */
export function groupOf({ path }: Pick<CommandDefinition, 'path'>): string {
  return path.slice(0, -1).join(' ');
}

/** Returns the groups directly in the group `parent`; those of `banger` itself when `parent` is empty. */
export function subgroupsOf(groups: readonly GroupDefinition[], parent: string): GroupDefinition[] {
  return groups.filter(
    ({ name, isHidden }) =>
      !isHidden && groupOf({ path: name.split(' ') as [string, ...string[]] }) === parent,
  );
}

/** Returns the options that help, completion and the reference name. */
export function shownOptions({ options }: Pick<CommandDefinition, 'options'>): [string, OptionDefinition][] {
  return Object.entries(options).filter(([, { isHidden }]) => !isHidden);
}

/** Returns the flag of an option: `--disk-size` for `diskSize`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `banger vm run [path] [-- cmd...]` */
export function usageOf({ path, args, trailing, options }: CommandDefinition): string {
  const parts = ['banger', ...path];
  if (Object.keys(options).length > 0) parts.push('[options]');
  for (const { name, isRequired, isVariadic } of args) {
    const shown = isVariadic ? `${name}...` : name;
    parts.push(isRequired ? `<${shown}>` : `[${shown}]`);
  }
  if (trailing) parts.push(trailing.isRequired ? `-- <${trailing.name}...>` : `[-- ${trailing.name}...]`);
  return parts.join(' ');
}

/** `-e, --env <NAME=VALUE>` */
export function optionTerm(name: string, option: OptionDefinition): string {
  const flag = option.type === 'flag' ? flagOf(name) : `${flagOf(name)} <${option.value}>`;
  return option.short ? `-${option.short}, ${flag}` : flag;
}
