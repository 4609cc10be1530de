import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { derElement, derElements } from './der.ts';
import { subjectHash } from './subject-hash.ts';

test('elements of any length come back as they were encoded', () => {
  const element = fc.record({
    tag: fc.integer({ min: 0, max: 30 }),
    content: fc.uint8Array({ maxLength: 70_000 }),
  });
  fc.assert(
    fc.property(fc.array(element, { maxLength: 4 }), (given) => {
      const encoded = given.map(({ tag, content }) => derElement(tag, Buffer.from(content)));
      const found = derElements(Buffer.concat(encoded));
      assert.deepEqual(
        found?.map(({ tag, content, whole }) => [tag, content.toString('hex'), whole.toString('hex')]),
        given.map(({ tag, content }, at) => [
          tag,
          Buffer.from(content).toString('hex'),
          encoded[at]?.toString('hex'),
        ]),
      );
    }),
    { numRuns: 30 },
  );
});

test('any other bytes are refused or split, and never reach beyond their end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const given = Buffer.from(bytes);
      const found = derElements(given);
      if (found) assert.deepEqual(Buffer.concat(found.map(({ whole }) => whole)), given);
      subjectHash(given);
      subjectHash(derElement(0x30, derElement(0x30, given)));
    }),
  );
  for (const broken of ['30', '3002', '300201', '3080', '3085ffffffffff', '1f01']) {
    assert.equal(derElements(Buffer.from(broken, 'hex')), undefined, broken);
  }
});
