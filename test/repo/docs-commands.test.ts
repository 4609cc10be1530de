import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CATALOG, COMMANDS } from '../../src/cli/commands.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Pages that users read; docs/cli.md is made from the commands themselves. */
const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md') && name !== 'cli.md')
    .map((name) => `docs/${name}`),
];

describe('commands in documents', () => {
  test('have options that exist', () => {
    const wrong: string[] = [];
    let count = 0;
    for (const page of PAGES) {
      for (const line of commandLines(readFileSync(join(ROOT, page), 'utf8'))) {
        const unknown = unknownOptions(line);
        count += unknown === undefined ? 0 : 1;
        if (unknown !== undefined && unknown.length > 0) wrong.push(`${page}: ${line}: ${unknown.join(' ')}`);
      }
    }
    assert.ok(count > 150, `only ${count} commands were found`);
    assert.deepEqual(wrong, []);
  });

  test('are seen to be wrong when they are', () => {
    assert.deepEqual(unknownOptions('banger vm run --rm --network . -- ls --colour'), ['--network']);
    assert.deepEqual(unknownOptions('banger run -q'), ['-q']);
    assert.equal(unknownOptions('banger vm frobnicate --x'), undefined);
  });

  test('of the recipes for CI are shell', () => {
    const ci = readFileSync(join(ROOT, 'docs', 'ci.md'), 'utf8');
    const scripts = [...shellBlocks(ci), ...stepsOf(ci)];
    assert.ok(scripts.length >= 8, `only ${scripts.length} scripts were found`);
    assert.ok(scripts.some((script) => script.includes('GITHUB_PATH')));
    for (const script of scripts) {
      const { status, stderr } = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
      assert.equal(status, 0, `${stderr}\n${script}`);
    }
    assert.notEqual(spawnSync('bash', ['-n'], { input: 'if true; then' }).status, 0, 'bash finds mistakes');
  });
});

/** What runs `banger`: lines of code blocks and pieces of code in the text, without prompts and remarks. */
function commandLines(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```(?:sh|console|yaml)?\n(.*?)^```/gms)].map(
    ([, text = '']) => text,
  );
  const indented = [...markdown.matchAll(/^ {4}(.*)$/gm)].map(([, text = '']) => text);
  const inline = [...markdown.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text.replaceAll('\\|', '|'));
  return [...blocks.flatMap((block) => block.split('\n')), ...indented, ...inline]
    .flatMap((line) => line.split(/ (?:&&|\|\||\||;) | # |; /))
    .map((line) => line.trim().replace(/^(\$ |run: |sudo |if )+/, ''))
    .filter((line) => line.startsWith('banger '));
}

/** The options of a command line that its command lacks; `undefined` when it names no command. */
function unknownOptions(line: string): string[] | undefined {
  const [, ...words] = line.replace(/'[^']*'|"[^"]*"/g, 'quoted').split(/\s+/);
  const short = CATALOG.shortForms.find((form) => form.words.every((word, index) => words[index] === word));
  const full = short ? [...short.path, ...words.slice(short.words.length)] : words;
  const command = [...COMMANDS]
    .sort((one, other) => other.path.length - one.path.length)
    .find(({ path }) => path.every((word, index) => full[index] === word));
  if (!command) return undefined;
  const end = full.indexOf('--');
  const known = new Set(['--help', '-h']);
  for (const [name, option] of Object.entries(command.options)) {
    known.add(`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    if (option.short) known.add(`-${option.short}`);
  }
  return full
    .slice(command.path.length, end < 0 ? undefined : end)
    .filter((word) => /^--?[a-zA-Z]/.test(word))
    .map((word) => word.replace(/[=,.:)].*$/, ''))
    .filter((word) => !known.has(word));
}

function shellBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = '']) => text);
}

/** The scripts of the steps of workflows: `run: COMMAND`, or `run: |` and indented lines. */
function stepsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^( *)run: (?:\|\n((?:\1 +.*\n)+)|(.+)\n)/gm)].map(
    ([, , block, line]) => block ?? `${line}\n`,
  );
}
