import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { globMatches, parseGlob } from './ignore-glob.ts';
import { IgnoreRules } from './ignore-rules.ts';

/** Whether the rules ignore a path, folder by folder as a walk asks. */
function ignores(text: string, path: string): boolean {
  const rules = IgnoreRules.parse(text);
  const parts = path.split('/');
  let result: ReturnType<IgnoreRules['look']> | undefined;
  for (let at = 1; at <= parts.length; at += 1) result = rules.look(parts.slice(0, at).join('/'), result);
  return result?.isIgnored ?? false;
}

test('a glob matches as it does for Docker', () => {
  const cases: [pattern: string, path: string, expected: boolean][] = [
    ['file', 'file', true],
    ['file', 'dir/file', false],
    ['*', 'file', true],
    ['*', 'dir/file', false],
    ['*.c', 'main.c', true],
    ['*/temp*', 'some/temporary', true],
    ['*/temp*', 'a/b/temporary', false],
    ['**', 'a/b/c', true],
    ['**/', 'a/b', true],
    ['**/file', 'file', true],
    ['**/file', 'a/b/file', true],
    ['**/file', 'a/bfile', false],
    ['**/*.go', 'a/b/main.go', true],
    ['a/**', 'a/b/c', true],
    ['a/**', 'a', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/**/b', 'a/xb', false],
    ['temp?', 'temp1', true],
    ['temp?', 'temp/', false],
    ['[a-c]x', 'bx', true],
    ['[^a-c]x', 'bx', false],
    ['[^a-c]x', 'dx', true],
    ['[a', '[a', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['a\\', 'a\\', true],
    ['a.b', 'axb', false],
    ['a(b)+{c}|^$', 'a(b)+{c}|^$', true],
    ['', '', true],
  ];
  for (const [pattern, path, expected] of cases) {
    assert.equal(globMatches(parseGlob(pattern), path), expected, `${pattern} on ${path}`);
  }
});

test('a rule counts for everything in a folder, and the last rule that matches decides', () => {
  assert.equal(ignores('node_modules', 'node_modules/a/b.js'), true);
  assert.equal(ignores('node_modules', 'web/node_modules/a.js'), false);
  assert.equal(ignores('**/node_modules', 'web/node_modules/a.js'), true);
  assert.equal(ignores('*.md\n!README.md', 'README.md'), false);
  assert.equal(ignores('*.md\n!README.md', 'NEWS.md'), true);
  assert.equal(ignores('!README.md\n*.md', 'README.md'), true);
  assert.equal(ignores('*\n!src', 'src/main.c'), false);
  assert.equal(ignores('*\n!src/*.c', 'src/main.h'), true);
  assert.equal(ignores('*\n!src/*.c', 'src/main.c'), false);
});

test('comments, blank lines, a byte order mark and the spelling of paths do not matter', () => {
  const text = '\ufeff# comment\n\n  /build/  \n./out//x\n! keep \r\na/../b\n';
  for (const path of ['build', 'build/x', 'out/x', 'b']) assert.equal(ignores(text, path), true, path);
  for (const path of ['keep', 'out', 'a', '# comment']) assert.equal(ignores(text, path), false, path);
});

test('rules know whether something in an ignored folder may be sent', () => {
  assert.equal(IgnoreRules.parse('*\n!src').hasExceptions, true);
  assert.equal(IgnoreRules.parse('*\n#!src').hasExceptions, false);
  assert.equal(IgnoreRules.parse('!').hasExceptions, false);
});

test('no glob takes long, and one without special characters matches only itself', () => {
  const hostile = `${'**/a*'.repeat(200)}b`;
  const begunAt = performance.now();
  assert.equal(globMatches(parseGlob(hostile), `${'a/'.repeat(2_000)}c`), false);
  assert.ok(performance.now() - begunAt < 20_000);
  const word = fc.string({ maxLength: 12 }).filter((text) => !/[*?[\\]/.test(text));
  fc.assert(fc.property(word, word, (one, other) => globMatches(parseGlob(one), other) === (one === other)));
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (pattern, path) => {
      globMatches(parseGlob(pattern), path);
      IgnoreRules.parse(pattern).look(path);
    }),
  );
});
