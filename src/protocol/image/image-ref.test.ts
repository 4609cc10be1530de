import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { formatImageRef, fullImageRef, parseImageRef, saysWhereItIs } from './image-ref.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;

test('a reference gets the registry, the folder and the tag that container tools fill in', () => {
  for (const [given, full] of [
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['team/tool', 'docker.io/team/tool:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/x', 'localhost:5000/x:latest'],
    ['127.0.0.1:5000/a/b:1', '127.0.0.1:5000/a/b:1'],
    ['[::1]:5000/a:1', '[::1]:5000/a:1'],
    ['GHCR.example/a/b', 'ghcr.example/a/b:latest'],
    [`x.example/a@${DIGEST}`, `x.example/a@${DIGEST}`],
    [`x.example/a:1@${DIGEST}`, `x.example/a:1@${DIGEST}`],
    ['a/b__c/d-e.f', 'docker.io/a/b__c/d-e.f:latest'],
  ] as const) {
    assert.equal(fullImageRef(given), full, given);
  }
});

test('a text that is no reference is refused', () => {
  const bad = [
    '',
    ':',
    '@',
    '/',
    'a//b',
    'A',
    'x.example/A',
    'a:',
    'a:b:c',
    'a@sha256:12',
    `a@${DIGEST}@${DIGEST}`,
  ];
  for (const text of [
    ...bad,
    '../a',
    'a/../b',
    '.a',
    'a ',
    'a\n',
    'http://x.example/a',
    `x.example/${'a'.repeat(300)}`,
  ]) {
    assert.throws(
      () => parseImageRef(text),
      (error) => isAppError(error, 'IMAGE_REFERENCE_INVALID'),
      JSON.stringify(text),
    );
  }
});

test('any text is a reference, whose full form is itself, or is refused', () => {
  const part = fc.constantFrom(
    'a',
    'b1',
    '.',
    '..',
    ':',
    '/',
    '@',
    '%',
    'X',
    'localhost',
    '5000',
    DIGEST,
    '_',
    '-',
    '\0',
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const full = fullImageRef(text);
      if (full === undefined) return;
      assert.equal(formatImageRef(parseImageRef(full)), full);
      assert.ok(!full.includes('%') && !full.split('/').includes('..') && full.length <= 230);
      assert.ok(saysWhereItIs(full));
    }),
  );
});

test('only what says where it is can be meant as a reference alone', () => {
  for (const text of ['alpine:3', 'a/b', `a@${DIGEST}`, 'localhost:5000/x'])
    assert.ok(saysWhereItIs(text), text);
  for (const text of ['alpine', 'debian-bookworm', '../x', '', 'A/b']) assert.ok(!saysWhereItIs(text), text);
});
