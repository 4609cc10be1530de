import type { Settings } from '../../config/settings.ts';
import { wrap as wrapWords } from '../render/wrap.ts';
import {
  type Catalog,
  type CommandDefinition,
  type GroupDefinition,
  groupOf,
  optionTerm,
  shownOptions,
  subgroupsOf,
  usageOf,
} from './command.ts';
import { shortFormsOf, shortWords } from './short-forms.ts';

/** What help needs besides the definition. */
export interface HelpOptions {
  /** shows the configured defaults; without it, the rules that determine them */
  settings?: Settings | undefined;
  /** line length in characters */
  width: number;
}

/** Line length when the width of the terminal is unknown. */
export const DEFAULT_HELP_WIDTH = 100;

const INDENT = 2;
const EXAMPLE_INDENT = 6;

const HELP_ROW: readonly [string, string] = ['-h, --help', 'show this help'];

/** Help of one command. */
export function commandHelp(
  definition: CommandDefinition,
  options: HelpOptions & Pick<Catalog, 'shortForms'>,
): string {
  const short = shortFormsOf(definition, options);
  const args = definition.args.map(({ name, summary }): [string, string] => [name, summary]);
  if (definition.trailing) args.push([`${definition.trailing.name}...`, definition.trailing.summary]);
  const flags = shownOptions(definition).map(([name, option]): [string, string] => [
    optionTerm(name, option),
    option.type === 'value' && option.defaultText
      ? `${option.summary} (default: ${option.defaultText(options.settings)})`
      : option.summary,
  ]);
  return sections([
    `Usage: ${usageOf(definition)}${short.length > 0 ? `\nShort: ${short.join(', ')}` : ''}`,
    wrap(definition.description, options.width, 0),
    list('Arguments', args, options.width),
    list('Options', [...flags, HELP_ROW], options.width),
    examples(definition, options.width),
  ]);
}

/** Help of a group, with its commands and subgroups. */
export function groupHelp(
  group: GroupDefinition,
  { commands, groups, width }: HelpOptions & Catalog,
): string {
  const own = commands.filter((command) => groupOf(command) === group.name && !command.isHidden);
  const rows = [
    ...own.map(({ path, summary }): [string, string] => [path.at(-1) ?? '', summary]),
    ...subgroupsOf(groups, group.name).map(({ name, summary }): [string, string] => [
      name.split(' ').at(-1) ?? '',
      summary,
    ]),
  ];
  return sections([
    `Usage: banger ${group.name} <command>`,
    wrap(group.description, width, 0),
    list('Commands', rows, width),
    `Help for a command: banger ${group.name} <command> --help`,
  ]);
}

const ROOT_SHAPES: readonly [string, string][] = [
  ['banger vm run', 'a fresh VM and a shell in it'],
  ['banger vm run ./repo', 'the same, with a git working tree at /root/repo'],
  ['banger vm run ./repo -- make test', 'runs a command there and exits with its status'],
  ['banger vm run --rm -- uname -a', 'runs a command in an empty VM, and then deletes the VM'],
  ['banger vm create --name web', 'a VM that stays; then: banger vm exec web -- CMD'],
  ['banger ps', 'running VMs; all of them: banger vm list --all'],
];

/** Help of `banger` itself. */
export function rootHelp(catalog: Catalog, { width }: HelpOptions): string {
  const { groups, commands } = catalog;
  const rows = new Map<string, string>();
  for (const { path, summary, isHidden } of commands) {
    const [first] = path;
    const group = groups.find(({ name }) => name === first);
    if (!isHidden) rows.set(first, group?.summary ?? summary);
  }
  return sections([
    'Usage: banger <command>',
    wrap(
      'Throwaway Linux VMs for development: one command boots a VM with your git working tree in it and runs a command there.',
      width,
      0,
    ),
    list('Common', ROOT_SHAPES, width),
    list('Commands', [...rows], width),
    list('Options', [['--version', 'print the version on one line'], HELP_ROW], width),
    wrap(shortFormsLine(catalog), width, 0),
    'First time on a host: banger doctor, then banger image build, then banger vm run.\nHelp for a command: banger <command> --help',
  ]);
}

/** The sentence that lists the commands of `banger vm` that work without `vm`. */
function shortFormsLine(catalog: Catalog): string {
  const words = shortWords(catalog).map(({ word }) => word);
  return `These work without vm: ${words.join(', ')}. In every group, ls means list and rm means delete.`;
}

function examples(definition: CommandDefinition, width: number): string {
  const lines = definition.examples.map(
    ({ command, does }) => `${' '.repeat(INDENT)}${command}\n${wrap(does, width, EXAMPLE_INDENT)}`,
  );
  return `Examples:\n${lines.join('\n')}`;
}

function list(title: string, rows: readonly (readonly [string, string])[], width: number): string {
  if (rows.length === 0) return '';
  const column = Math.max(...rows.map(([term]) => term.length)) + 2 * INDENT;
  const lines = rows.map(([term, text]) => {
    const wrapped = wrap(text, width, column).trimStart();
    return `${' '.repeat(INDENT)}${term.padEnd(column - INDENT)}${wrapped}`;
  });
  return `${title}:\n${lines.join('\n')}`;
}

function sections(parts: readonly string[]): string {
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** Breaks text into lines of at most `width` characters, each indented; keeps the line breaks of the text. */
function wrap(text: string, width: number, indent: number): string {
  const room = Math.max(20, width - indent);
  const lines = text.split('\n').flatMap((paragraph) => wrapWords(paragraph, room));
  return lines.map((line) => (line === '' ? '' : ' '.repeat(indent) + line)).join('\n');
}
