import assert from 'node:assert/strict';
import { matchesGlob } from 'node:path/posix';
import { test } from 'node:test';
import fc from 'fast-check';
import { pathPattern } from './path-pattern.ts';

test('a pattern names its place, and matches what is in it', () => {
  for (const [text, place, yes, no] of [
    ['dist/**', 'dist', ['dist/a', 'dist/a/b'], ['dist', 'distx/a', 'x/dist/a']],
    ['dist', 'dist', ['dist', 'dist/a/b'], ['distx', 'x/dist']],
    ['./out/*.js', 'out', ['out/a.js', 'out/a.js/x'], ['out/a.ts', 'out/x/a.js', 'out/ajs']],
    ['**/*.log', '', ['a.log', 'a/b/c.log'], ['a.txt', 'log']],
    ['a/**/b', 'a', ['a/b', 'a/x/y/b', 'a/x/b/z'], ['a/xb', 'b']],
    ['test?.(x)', '', ['test1.(x)'], ['test.(x)', 'test12.(x)']],
    ['a/*', 'a', ['a/x', 'a/x/y'], ['a']],
  ] as const) {
    const pattern = pathPattern(text);
    assert.equal(pattern.place, place);
    for (const path of yes) assert.ok(pattern.matches(path), `${text} ${path}`);
    for (const path of no) assert.ok(!pattern.matches(path), `${text} ${path}`);
  }
});

test('a path matches as Node says, or because a folder that it is in does', () => {
  const name = fc.constantFrom('a', 'b', 'ab');
  const part = fc.constantFrom('a', '*', 'a*', '?b', '**');
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 4 }),
      fc.array(name, { minLength: 1, maxLength: 4 }),
      (parts, names) => {
        const text = parts.join('/');
        // A trailing `**` of Node also matches the folder itself.
        if (parts.at(-1) === '**') return;
        const above = names.map((_, at) => names.slice(0, at + 1).join('/'));
        assert.equal(
          pathPattern(text).matches(names.join('/')),
          above.some((path) => matchesGlob(path, text)),
          `${text} ${names.join('/')}`,
        );
      },
    ),
  );
});
