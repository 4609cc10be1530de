import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { messageOf, printable } from '../errors.ts';
import { createLogger } from '../log.ts';
import { jsonText } from './unprintable.ts';

/** Texts that could forge a line of a terminal, with their names. */
const FORGERS: readonly (readonly [string, string])[] = [
  ['an escape', '\u001b[2J'],
  ['a C1 sequence', '\u009b2J'],
  ['a carriage return', '\r'],
  ['a line separator', '\u2028'],
  ['a paragraph separator', '\u2029'],
  ['an Arabic letter mark', '\u061c'],
  ['a left-to-right mark', '\u200e'],
  ['a right-to-left mark', '\u200f'],
  ['an override', '\u202e'],
  ['an embedding', '\u202a'],
  ['the end of an embedding', '\u202c'],
  ['an isolate', '\u2066'],
  ['the end of an isolate', '\u2069'],
  ['a zero-width space', '\u200b'],
  ['a zero-width joiner', '\u200d'],
  ['a word joiner', '\u2060'],
  ['a byte order mark', '\ufeff'],
  ['a soft hyphen', '\u00ad'],
  ['a Hangul filler', '\u3164'],
  ['an interlinear annotation', '\ufff9'],
  ['a tag', '\u{e0041}'],
  ['a lone surrogate', '\ud800'],
];

/** Text with many unprintable characters. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(...FORGERS.map(([, text]) => text)),
      fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
      fc.integer({ min: 0xe0000, max: 0xe0fff }).map((point) => String.fromCodePoint(point)),
    ),
  )
  .map((parts) => parts.join(''));

/** Whether a code point can help to forge a line; written without the expressions under test. */
function isForging(point: number): boolean {
  const between = (from: number, to: number): boolean => point >= from && point <= to;
  return (
    [0x7f, 0xad, 0x61c, 0x3164, 0xfeff].includes(point) ||
    between(0, 0x1f) ||
    between(0x80, 0x9f) ||
    between(0x200b, 0x200f) ||
    between(0x2028, 0x202e) ||
    between(0x2060, 0x206f) ||
    between(0xd800, 0xdfff) ||
    between(0xfff0, 0xfffb) ||
    between(0xe0000, 0xe0fff)
  );
}

const pointsOf = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

describe('printable()', () => {
  for (const [what, text] of FORGERS) {
    test(`neutralises ${what}`, () => {
      const shown = printable(`a${text}b`);
      assert.deepEqual(pointsOf(shown).filter(isForging), []);
      assert.notEqual(shown, 'ab', 'it shows that something was there');
      assert.ok(shown.startsWith('a') && shown.endsWith('b'));
    });
  }

  test('removes everything that could forge a line, and is idempotent', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const shown = printable(text);
        assert.deepEqual(pointsOf(shown).filter(isForging), []);
        assert.equal(printable(shown), shown);
        assert.equal(messageOf(new Error(text)), shown);
      }),
    );
  });

  test('keeps letters of every script, combining marks and emoji', () => {
    for (const text of ['naïve Größe', 'n\u0303', 'مرحبا', 'שלום', '日本語', '👍🏽 ❤\ufe0f', '\ufffd']) {
      assert.equal(printable(text), text);
    }
  });
});

describe('jsonText()', () => {
  test('represents the value in harmless text', () => {
    fc.assert(
      fc.property(fc.dictionary(hostile, fc.oneof(hostile, fc.array(hostile), fc.double())), (value) => {
        const text = jsonText(value);
        assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
        assert.deepEqual(pointsOf(text).filter(isForging), []);
        const indented = jsonText(value, 2);
        assert.deepEqual(JSON.parse(indented), JSON.parse(text));
        assert.deepEqual(pointsOf(indented.replaceAll('\n', '')).filter(isForging), []);
      }),
    );
  });

  test('is used for log lines', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const lines: string[] = [];
        createLogger((line) => lines.push(line), { level: 'debug' }).info(text, {
          text,
          error: new Error(text),
        });
        assert.equal(lines.length, 1);
        assert.deepEqual(pointsOf(lines[0]?.slice(0, -1) ?? '').filter(isForging), []);
      }),
    );
  });
});
