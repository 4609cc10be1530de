import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readModule } from '../../scripts/check/modules.ts';
import { tokenize } from '../../scripts/check/tokens.ts';

const texts = (source: string): string[] => tokenize(source).map((token) => token.text);
const imports = (source: string) =>
  readModule(source).imports.map(({ specifier, names, isTypeOnly }) => ({ specifier, names, isTypeOnly }));
const exportsOf = (source: string) => readModule(source).exports.map(({ name, kind }) => `${kind} ${name}`);

describe('tokenize()', () => {
  test('leaves comments out and counts lines through them', () => {
    const tokens = tokenize('a // b\n/* c\n*/ d');
    assert.deepEqual(
      tokens.map(({ text, line }) => [text, line]),
      [
        ['a', 1],
        ['d', 3],
      ],
    );
  });

  test('treats quotes and slashes in strings, templates and regular expressions as text', () => {
    assert.deepEqual(texts(`'a"\\'//' + "b'" + /["'\`/]\\// .test(x)`), [
      `a"\\'//`,
      '+',
      "b'",
      '+',
      `/["'\`/]\\//`,
      '.',
      'test',
      '(',
      'x',
      ')',
    ]);
  });

  test('distinguishes a division from a regular expression', () => {
    assert.deepEqual(texts('(a) / b / c'), ['(', 'a', ')', '/', 'b', '/', 'c']);
    assert.deepEqual(texts('return /b/g'), ['return', '/b/', 'g']);
  });

  test('reads the code inside templates, also nested', () => {
    assert.deepEqual(texts('`x ${a + `y ${{ b }.b}`} z` + c'), [
      'x  z',
      'a',
      '+',
      'y ',
      '{',
      'b',
      '}',
      '.',
      'b',
      '+',
      'c',
    ]);
  });

  test('marks the token after a doc comment, but not after another comment', () => {
    const marked = tokenize('/** a */ export x; /* b */ export y').filter((token) => token.afterDoc);
    assert.deepEqual(marked.length, 1);
  });

  test('ends on any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (source) => {
        tokenize(source);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom('`', '${', '}', '/', '*', "'", '\\', '\n', 'a', '{')), (parts) => {
        tokenize(parts.join(''));
      }),
    );
  });
});

describe('readModule()', () => {
  test('reads every form of import', () => {
    assert.deepEqual(imports("import 'a'; import b from 'b'; import * as c from 'c';"), [
      { specifier: 'a', names: [], isTypeOnly: false },
      { specifier: 'b', names: ['default'], isTypeOnly: false },
      { specifier: 'c', names: ['*'], isTypeOnly: false },
    ]);
    assert.deepEqual(imports("import { d, type e, f as g } from 'd'\nimport type { h } from 'h'"), [
      { specifier: 'd', names: ['d', 'e', 'f'], isTypeOnly: false },
      { specifier: 'h', names: ['h'], isTypeOnly: true },
    ]);
    assert.deepEqual(imports("import { type i, type j } from 'i'"), [
      { specifier: 'i', names: ['i', 'j'], isTypeOnly: true },
    ]);
    assert.deepEqual(imports("const k = await import('k');"), [
      { specifier: 'k', names: ['*'], isTypeOnly: false },
    ]);
    assert.deepEqual(imports("import type, { from } from 'l'"), [
      { specifier: 'l', names: ['default', 'from'], isTypeOnly: false },
    ]);
  });

  test('does not treat text, comments, import.meta and properties as imports', () => {
    const source =
      "// import 'a'\nconst b = \"import 'b'\"; import.meta.url; c.import('d'); e = { import: 1, export: 2 };";
    assert.deepEqual(imports(source), []);
    assert.deepEqual(readModule(source).computedImportLines, []);
  });

  test('finds an import() with a computed path', () => {
    assert.deepEqual(readModule('import(`./${a}`);\nimport("a" + b)').computedImportLines, [1, 2]);
  });

  test('reads every form of export', () => {
    assert.deepEqual(
      exportsOf(
        'export const a = 1; export async function* b() {} export abstract class C {} export interface D {} export type E = 1; export declare function f(): void;',
      ),
      ['value a', 'value b', 'value C', 'type D', 'type E', 'value f'],
    );
    assert.deepEqual(exportsOf("export { a, b as c }; export { d as e } from 'f'; export * as g from 'g'"), [
      'list a',
      'list c',
      'list e',
      'list g',
    ]);
    assert.deepEqual(readModule('\nexport default 1').defaultExportLines, [2]);
  });

  test('reads re-exports as imports of the names that they pass on', () => {
    assert.deepEqual(imports("export { d as e } from 'f'; export type { g } from 'h'; export * from 'i'"), [
      { specifier: 'f', names: ['d'], isTypeOnly: false },
      { specifier: 'h', names: ['g'], isTypeOnly: true },
      { specifier: 'i', names: ['*'], isTypeOnly: false },
    ]);
  });
});
