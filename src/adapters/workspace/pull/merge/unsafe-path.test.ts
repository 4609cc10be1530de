import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { foldedName, unsafeLink, unsafePath } from './unsafe-path.ts';

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');

test('every spelling of .git, and every way out of the tree, is unsafe', () => {
  for (const path of [
    ...['.git', '.GIT/hooks/post-checkout', 'a/.Git/config', '.git/', '.git/x', '.git.', '.git ', '.git. . '],
    ...['.git::$INDEX_ALLOCATION/x', 'GIT~1/config', 'a/git~1', '.git\\config', 'a\\.GIT\\x', 'git~1 '],
    ...['../x', 'a/../../x', '/etc/passwd', 'a//b', './a', 'a/.', '', '..', 'a\0b', 'x'.repeat(256)],
    ...['.g\u200cit/config', '.gi\u206ft', '\ufeff.git/x'].map(latin1),
  ]) {
    assert.notEqual(unsafePath(path), undefined, JSON.stringify(path));
  }
  for (const path of [
    '.gitignore',
    '.github/x',
    'git',
    'a.git',
    '...',
    '.gitmodules',
    'a\\b',
    'git~2',
    'a b.',
  ]) {
    assert.equal(unsafePath(path), undefined, path);
  }
});

test('a link may lead only to places inside the tree', () => {
  for (const [path, target] of [
    ['a', '/etc'],
    ['a', '..'],
    ['a/b', '../..'],
    ['a/b', 'c/../../..'],
    ['a', 'b/..'],
    ['a', '.git/hooks'],
    ['a', './.GIT'],
    ['a', ''],
    ['.gitmodules', 'x'],
    ['d/.gitattributes', 'x'],
  ] as const) {
    assert.notEqual(unsafeLink(path, target), undefined, `${path} -> ${target}`);
  }
  for (const [path, target] of [
    ['a', 'b'],
    ['a/b', '../c'],
    ['a/b/c', '../../d/e'],
    ['a', './b//c'],
  ] as const) {
    assert.equal(unsafeLink(path, target), undefined, `${path} -> ${target}`);
  }
});

test('a safe link never leaves the tree, from wherever it is', () => {
  const part = fc.constantFrom('..', '.', 'a', 'b', '');
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 4 }),
      fc.array(part, { minLength: 1, maxLength: 6 }),
      (path, target) => {
        if (unsafeLink(path.join('/'), target.join('/')) !== undefined) return;
        let depth = path.length - 1;
        for (const each of target) {
          if (each === '..') depth -= 1;
          else if (each !== '.' && each !== '') depth += 1;
          assert.ok(depth >= 0);
        }
      },
    ),
  );
});

test('names collide that differ in case, or in how a letter is written', () => {
  const folded = (text: string): string => foldedName(latin1(text));
  assert.equal(folded('README'), folded('readme'));
  assert.equal(folded('caf\u00e9'), folded('CAFE\u0301'));
  assert.equal(folded('stra\u00dfe'), folded('STRASSE'));
  assert.notEqual(folded('a'), folded('b'));
});
