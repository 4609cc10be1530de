import {
  type Catalog,
  type CommandDefinition,
  groupOf,
  type OptionDefinition,
  optionTerm,
  shownOptions,
  usageOf,
} from '../../src/cli/program/command.ts';
import { shortFormsOf } from '../../src/cli/program/short-forms.ts';
import { JSON_OUTPUT, NAMED_SHAPES } from './json-shapes.ts';
import { fieldsOf, shapeText } from './shape-text.ts';

const INTRODUCTION = `# Command line

<!-- Made by scripts/generate-docs.ts from the definitions in src/cli/; do not edit. -->

\`banger <command> --help\` prints the same for one command, with the defaults of your machine.

- **Output.** stdout has the result and nothing else; progress, notices and errors go to stderr. With \`--json\` stdout has exactly one
  JSON value: the result, or \`{"error": {"code", "message", "hint", "details", "causes"}}\`. Fields are added, never changed.
- **Progress** is one line that is written over on a terminal, a line for each step with \`-v\` or when \`BANGER_NO_PROGRESS\` is set, and
  nothing but the \`spec:\` and \`ready\` lines in a pipe. \`NO_COLOR\` turns colour off.
- **References.** A VM is meant by its name, its id, or a unique prefix of its id.
- **Short forms.** \`banger run\` is \`banger vm run\`, and so with \`exec\`, \`ssh\`, \`ls\`, \`ps\`, \`logs\`, \`cp\`, \`start\`, \`stop\` and \`rm\`; in every
  group, \`ls\` is \`list\` and \`rm\` is \`delete\`. Messages name the long form.
- **Sizes** are whole numbers with \`K\`, \`M\`, \`G\` or \`T\` (binary), for example \`8G\`; a bare number is MiB.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage, or refused before anything was begun |
| 125 | \`vm run\`, \`vm exec\`: banger itself failed |
| 126, 127 | \`vm run\`, \`vm exec\`: the command is not executable, or there is none |
| 128 + n | ended by signal n: the guest's command in \`vm run\` and \`vm exec\`, else banger (130: Ctrl-C) |
| other | \`vm run\`, \`vm exec\`: the command's own |

A reader of stdout that goes away (\`| head\`) ends a command without a message: with 0, or 141 as any program in a pipe for \`vm run\` and
\`vm exec\`.
`;

/** The text of `docs/cli.md`: every command with its arguments and options. */
export function cliReference(catalog: Catalog): string {
  const { groups, commands } = catalog;
  const shown = commands.filter(({ isHidden }) => !isHidden);
  const overview = shown.map(
    (command) => `| [\`${nameOf(command)}\`](#${anchorOf(command)}) | ${cell(command.summary)} |`,
  );
  const alone = shown.filter((command) => groupOf(command) === '');
  const parts = [
    INTRODUCTION,
    `| command | does |\n|---|---|\n${overview.join('\n')}\n`,
    ...groups
      .filter(({ isHidden }) => !isHidden)
      .map((group) => {
        const members = shown.filter((command) => groupOf(command) === group.name);
        return [
          `## banger ${group.name}\n\n${group.description}\n`,
          ...members.map((command) => section(command, { level: 3, catalog })),
        ].join('\n');
      }),
    ...alone.map((command) => section(command, { level: 2, catalog })),
    everyOption(shown),
    jsonValues(),
  ];
  return parts.join('\n');
}

function section(
  command: CommandDefinition,
  { level, catalog }: { level: number; catalog: Catalog },
): string {
  const short = shortFormsOf(command, catalog);
  const { args, trailing, description, examples } = command;
  const argRows = args.map(({ name, summary }) => `| \`${name}\` | ${cell(summary)} |`);
  if (trailing) argRows.push(`| \`${trailing.name}...\` | ${cell(trailing.summary)} |`);
  const optionRows = shownOptions(command).map(
    ([name, option]) =>
      `| \`${optionTerm(name, option)}\` | ${cell(option.summary)} | ${cell(defaultOf(option))} |`,
  );
  return [
    `${'#'.repeat(level)} ${nameOf(command)}\n\n\`\`\`\n${usageOf(command)}\n\`\`\`\n`,
    short.length > 0 ? `Short: ${short.map((form) => `\`${form}\``).join(', ')}\n` : '',
    `${asText(description)}\n`,
    argRows.length > 0 ? `| argument | meaning |\n|---|---|\n${argRows.join('\n')}\n` : '',
    optionRows.length > 0 ? `| option | meaning | default |\n|---|---|---|\n${optionRows.join('\n')}\n` : '',
    jsonLine(command),
    `\`\`\`sh\n${examples.map(({ command: line, does }) => `# ${does}\n${line}`).join('\n')}\n\`\`\`\n`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** One row for each option of each command; `test/integration/cli/every-option.test.ts` reads it. */
function everyOption(commands: readonly CommandDefinition[]): string {
  const rows = commands.flatMap((command) => {
    const name = `\`${nameOf(command)}\``;
    const options = shownOptions(command).map(
      ([key, option]) => `| ${name} | \`${optionTerm(key, option)}\` | ${cell(defaultOf(option))} |`,
    );
    return options.length > 0 ? options : [`| ${name} |  |  |`];
  });
  return `## Every command and option\n\n| command | option | default |\n|---|---|---|\n${rows.join('\n')}\n`;
}

/** The values that commands print with `--json`. */
function jsonValues(): string {
  const named = Object.entries(NAMED_SHAPES).map(([name, shape]) => {
    const tables = fieldsOf(shape).map(
      (fields) =>
        `| field | value | meaning |\n|---|---|---|\n${fields
          .map(
            ({ name: field, isOptional, type, meaning }) =>
              `| \`${field}\`${isOptional ? ' (optional)' : ''} | ${cell(type)} | ${cell(meaning)} |`,
          )
          .join('\n')}\n`,
    );
    return `### ${name}\n\n${tables.join('\nor\n\n')}`;
  });
  return `## JSON values\n\nFields are added, never changed; readers ignore those that they do not know.\n\n${named.join('\n')}`;
}

function jsonLine({ path }: CommandDefinition): string {
  const shape = JSON_OUTPUT[path.join(' ')];
  return shape ? `JSON: ${shapeText(shape)}\n` : '';
}

function nameOf({ path }: CommandDefinition): string {
  return `banger ${path.join(' ')}`;
}

/** GitHub's rule for headings: lower case, spaces to hyphens. */
function anchorOf(command: CommandDefinition): string {
  return nameOf(command).replaceAll(' ', '-');
}

function defaultOf(option: OptionDefinition): string {
  return option.type === 'value' ? (option.defaultText?.(undefined) ?? '') : '';
}

function cell(text: string): string {
  return asText(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** `<path>` is text here, not HTML. */
function asText(text: string): string {
  return text.replaceAll('<', '\\<');
}
