import {
  type Catalog,
  type CommandDefinition,
  groupOf,
  optionTerm,
  shownOptions,
  usageOf,
} from '../../src/cli/program/command.ts';

/** The manual page `banger(1)` of all commands, in the macros of man(7). */
export function manPage(catalog: Catalog, { version, date }: { version: string; date: string }): string {
  const shown = catalog.commands.filter(({ isHidden }) => !isHidden);
  const lines = [
    `.TH BANGER 1 "${date}" "banger ${version}" "User Commands"`,
    '.SH NAME',
    'banger \\- one\\-command development sandboxes on microVMs',
    '.SH SYNOPSIS',
    '.B banger',
    '.I command',
    '[\\fIoption\\fR]...',
    '.SH DESCRIPTION',
    text(
      'Boots throwaway Linux VMs with a git working tree in them and runs commands there, without root. Options may be given before or after arguments. Words after -- are the command for the guest.',
    ),
    '.SH COMMANDS',
    ...catalog.groups.flatMap((group) => [
      `.SS banger ${text(group.name)}`,
      text(group.description),
      ...shown.filter((command) => groupOf(command) === group.name).flatMap(section),
    ]),
    '.SS Other commands',
    ...shown.filter((command) => groupOf(command) === '').flatMap(section),
    '.SH EXIT STATUS',
    '.TP\n0\ndone',
    '.TP\n1\nfailed',
    '.TP\n2\nwrong usage, or refused before anything was begun',
    '.TP\n125\n.B vm run\nand\n.BR "vm exec" :\nbanger itself failed',
    '.TP\nother\n.B vm run\nand\n.BR "vm exec" :\nthe exit status of the command in the guest',
    '.SH SEE ALSO',
    '.BR qemu (1),',
    '.BR ssh (1),',
    '.BR git (1)',
  ];
  return `${lines.join('\n')}\n`;
}

function section(command: CommandDefinition): string[] {
  return [
    '.TP',
    `.B ${text(usageOf(command))}`,
    text(command.description),
    '.RS',
    ...shownOptions(command).flatMap(([name, option]) => [
      '.TP',
      `.B ${text(optionTerm(name, option))}`,
      text(option.summary),
    ]),
    ...command.examples.flatMap(({ command: line, does }) => ['.PP', text(does), '.br', `.B ${text(line)}`]),
    '.RE',
  ];
}

/** Text for roff: no character of it is a command, and hyphens stay hyphens when they are copied. */
function text(words: string): string {
  const escaped = words.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('\n', ' ');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
