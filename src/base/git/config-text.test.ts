import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CONFIG_LIST_ARGS,
  configValue,
  formatConfig,
  parseConfigList,
  splitConfigKey,
} from './config-text.ts';

test('splitConfigKey() keeps the dots of a subsection', () => {
  assert.deepEqual(splitConfigKey('core.bare'), { section: 'core', variable: 'bare' });
  assert.deepEqual(splitConfigKey('branch.feature/1.2.merge'), {
    section: 'branch',
    subsection: 'feature/1.2',
    variable: 'merge',
  });
});

test('parseConfigList() distinguishes a variable without a value from one with an empty value', () => {
  const entries = parseConfigList(
    Buffer.from('global\0file:g\0a.b\0local\0file:l\0a.c\n\0local\0file:l\0a.b\ntwo\nlines\0'),
  );
  assert.deepEqual(entries, [
    { scope: 'global', origin: 'file:g', key: 'a.b' },
    { scope: 'local', origin: 'file:l', key: 'a.c', value: '' },
    { scope: 'local', origin: 'file:l', key: 'a.b', value: 'two\nlines' },
  ]);
  assert.equal(configValue(entries, 'a.b'), 'two\nlines');
  assert.equal(configValue(entries.slice(0, 1), 'a.b'), 'true');
  assert.equal(configValue(entries, 'a.x'), undefined);
});

test('git reads back the values of formatConfig() byte for byte', () => {
  const folder = mkdtempSync(join(tmpdir(), 'git-config-'));
  const file = join(folder, 'config');
  const byte = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
  const anyText = fc.array(byte, { maxLength: 12 }).map((parts) => parts.join(''));
  const tricky = fc.constantFrom(
    '',
    ' ',
    ' x ',
    '#',
    ';a',
    '"',
    '\\',
    '\\n',
    'a\\\nb',
    '\t',
    '\b',
    'a\r',
    '=',
  );
  const value = fc.option(fc.oneof(anyText, tricky), { nil: undefined });
  const subsection = fc.option(
    fc.oneof(anyText, fc.constantFrom('a.b', '"', '\\', ']')).filter((text) => !text.includes('\n')),
    { nil: undefined },
  );
  const entry = fc
    .tuple(fc.constantFrom('core', 'x-y'), subsection, fc.constantFrom('name', 'na-me2'), value)
    .map(([section, inner, variable, given]) => ({
      key: inner === undefined ? `${section}.${variable}` : `${section}.${inner}.${variable}`,
      ...(given === undefined ? {} : { value: given }),
    }));
  try {
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
        writeFileSync(file, formatConfig(entries), 'latin1');
        const ran = spawnSync('git', [...CONFIG_LIST_ARGS, '--file', file], { cwd: folder });
        assert.equal(ran.status, 0, ran.stderr.toString());
        const read = parseConfigList(ran.stdout).map(({ scope: _scope, origin: _origin, ...rest }) => rest);
        assert.deepEqual(read, entries);
      }),
      { numRuns: 100 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
