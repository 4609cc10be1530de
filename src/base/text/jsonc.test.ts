import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type JsonValue, parseJsonc } from './jsonc.ts';

const parsed = (text: string): JsonValue => {
  const result = parseJsonc(text);
  assert.ok('value' in result, 'problem' in result ? result.problem : '');
  return result.value;
};
const problemOf = (text: string): string => {
  const result = parseJsonc(text);
  assert.ok('problem' in result, JSON.stringify(result));
  return result.problem;
};

test('comments, trailing commas and a byte order mark are left out', () => {
  const text = `\ufeff// first
  { "a": 1, /* of
    several lines */ "b": [1, 2, /* last */ ], // end
    "c": {"d": true,},
  }`;
  assert.deepEqual(parsed(text), { a: 1, b: [1, 2], c: { d: true } });
});

test('strings keep what looks like a comment or a trailing comma', () => {
  assert.deepEqual(parsed('["http://x", "/* y */", ",]", "\\"//", "\\\\",]'), [
    'http://x',
    '/* y */',
    ',]',
    '"//',
    '\\',
  ]);
});

test('what is no JSON is refused in the words of JSON.parse, at places that comments do not move', () => {
  assert.match(problemOf('{\n// one\n/* two\n*/ "a": 1 "b"\n}'), /line 4 column 11/);
  for (const text of ['', '{', '[1,,2]', '[,]', '{,}', '{"a" 1}', '1 2', '{"a": 1}}', "{'a': 1}", '"open']) {
    problemOf(text);
  }
  assert.match(problemOf('{} /* open'), /does not end/);
  assert.match(problemOf('{} /*/'), /does not end/);
});

test('a name of the prototype is a field like any other', () => {
  const value = parsed('{"__proto__": {"image": "x"}}') as Record<string, JsonValue>;
  assert.equal(value['image'], undefined);
  assert.deepEqual(Object.keys(value), ['__proto__']);
});

test('nesting is limited, and no text overflows the stack', () => {
  assert.deepEqual(
    parsed(`${'['.repeat(64)}${']'.repeat(64)}`),
    JSON.parse(`${'['.repeat(64)}${']'.repeat(64)}`),
  );
  assert.match(problemOf('['.repeat(65)), /levels deep/);
  assert.match(problemOf('{"a":'.repeat(200_000)), /levels deep/);
  problemOf(`"${'\\"'.repeat(500_000)}`);
});

test('every JSON text is its own value, with comments between its tokens too', () => {
  const gap = fc.constantFrom('', ' ', '/* , ] */', '// "x\n', '/**/');
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.array(gap, { minLength: 1 }), (value, gaps) => {
      const text = JSON.stringify(value);
      assert.deepEqual(parsed(text), JSON.parse(text));
      let at = 0;
      const next = (): string => gaps[at++ % gaps.length] ?? '';
      const spread = text.replace(
        /"(?:[^"\\]|\\.)*"|[{}[\],:]/g,
        (token) => `${next()}${/[}\]]/.test(token) ? next() : ''}${token}${next()}`,
      );
      assert.deepEqual(parsed(spread), JSON.parse(text));
    }),
  );
});

test('any text is a value or has a problem', () => {
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => Object.keys(parseJsonc(text)).length === 1));
  const pieces = fc.constantFrom(
    '"',
    '\\',
    '/',
    '*',
    '/*',
    '*/',
    '//',
    '\n',
    ',',
    '{',
    '}',
    '[',
    ']',
    ':',
    '1',
  );
  fc.assert(fc.property(fc.array(pieces), (parts) => Object.keys(parseJsonc(parts.join(''))).length === 1));
});
