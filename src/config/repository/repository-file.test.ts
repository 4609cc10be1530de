import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../base/errors.ts';
import { parseEgressRule } from '../../protocol/egress/egress-rule.ts';
import { parseRepositoryFile } from './parse-repository-file.ts';
import { readRepositoryFile } from './read-repository-file.ts';

const parse = (...lines: string[]): unknown => parseRepositoryFile(lines.join('\n'), '/r/.banger.toml');

function refused(source: string, ...parts: string[]): void {
  assert.throws(
    () => parse(source),
    (error: unknown) =>
      error instanceof AppError &&
      error.code === 'REPOSITORY_FILE_INVALID' &&
      error.message.includes('"/r/.banger.toml"') &&
      parts.every((part) => error.message.includes(part)),
    source,
  );
}

test('a file names rules, presets and policies of its own', () => {
  assert.deepEqual(parse(''), {});
  assert.deepEqual(parse('[network]', 'allow = []'), { allow: [] });
  const own = ['[network.policies.ci]', 'allow = ["@npm", "b.test:443"]'];
  assert.deepEqual(parse('[network]', 'allow = ["a.test", "@ci", "@npm"]', ...own), {
    allow: ['a.test', '@npm', 'b.test:443'],
  });
});

test('what is wrong in a file is named with its key, all at once', () => {
  refused('[network', 'line 1', 'not TOML');
  refused('network = 1', '"network" must be a table');
  refused(
    '[vm]\n[network]\nallow = ["*"]\nallw = 1',
    '"vm" is not',
    '"network.allw" is not',
    'to allow everything',
  );
  refused('[network]\nallow = "a.test"', '"network.allow" must be a list');
  refused('[network]\nallow = [1]', '"network.allow" must be a list');
  refused('[network]\nallow = ["@ci"]', '"@ci", which is none of @npm, @pypi');
  refused('[network.policies.ci]\nallow = ["a.test"]', '"network.allow" is missing');
  refused('[network]\nallow = []\n[network.policies.npm]\nallow = []', 'the name of a preset');
  refused('[network]\nallow = []\n[network.policies.ci]\nallow = ["@other"]', 'is no preset');
  refused('[network]\nallow = ["http://a.test"]', 'it is a URL');
  const many = Array.from({ length: 300 }, (_, at) => `"a${at}.test"`).join(',');
  refused(`[network]\nallow = [${many}]`, 'more than 256 rules');
  refused('[network]\nallow = ["\\u001b[31m"]', 'network.allow', 'character that names do not have');
  refused('[network]\nallow = ["\u001b[31m"]', 'line 2', 'not TOML');
});

test('any file is rules that can be read, or one error', () => {
  const word = fc.constantFrom(
    ...[
      '[network]\n',
      'allow = ',
      '[',
      ']',
      '"a.test"',
      '"@npm"',
      '"@a"',
      ',',
      '\n',
      '[network.policies.a]\n',
    ],
    ...['policies', '{', '}', '=', '1', '__proto__', 'constructor', '"', "'", '.', 'network', '[['],
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 14 }).map((words) => words.join('')),
  );
  fc.assert(
    fc.property(text, (source) => {
      try {
        for (const rule of parseRepositoryFile(source, 'x').allow ?? []) {
          if (!rule.startsWith('@')) parseEgressRule(rule);
        }
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === 'REPOSITORY_FILE_INVALID', String(error));
      }
    }),
    { numRuns: 2_000, examples: [['['.repeat(30_000)], ['a='.concat('['.repeat(30_000))]] },
  );
});

describe('the file of a working tree', () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'banger-repository-'));
    file = join(dir, '.banger.toml');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const refusal = (why: RegExp): void =>
    assert.throws(() => readRepositoryFile(dir), { code: 'REPOSITORY_FILE_INVALID', message: why });

  test('is read when it is there', () => {
    assert.equal(readRepositoryFile(dir), undefined);
    writeFileSync(file, '[network]\nallow = ["a.test"]\n');
    assert.deepEqual(readRepositoryFile(dir), { allow: ['a.test'] });
  });

  test('is refused when it is a link, a pipe, a folder, too large, or no text', () => {
    symlinkSync('/etc/passwd', file);
    refusal(/it is a link/);
    rmSync(file);
    execFileSync('mkfifo', [file]);
    refusal(/it is not a file/);
    rmSync(file);
    writeFileSync(file, `#${' '.repeat(70_000)}`);
    refusal(/larger than 64 KiB/);
    writeFileSync(file, Buffer.from([0xff, 0xfe]));
    refusal(/not UTF-8/);
  });
});
