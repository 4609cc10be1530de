import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as z from 'zod';
import * as build from './build.ts';
import { isValid, problemsOf, problemText } from './check.ts';
import type { JsonSchema, ValueOf } from './schema.ts';

const { closedObject, integer, list, object, oneOf, optional, someText, text, truth } = build;

const point = closedObject({ x: integer(undefined, { minimum: 0, maximum: 9 }), y: optional(integer()) });
const thing = object({
  name: someText(),
  kind: oneOf(['a', 'b']),
  isNew: optional(truth()),
  points: optional(list(point)),
});

const told = (schema: JsonSchema, value: unknown): string[] => problemsOf(schema, value).map(problemText);

test('the TypeScript type of a schema is that of its values', () => {
  const value: ValueOf<typeof thing> = { name: 'n', kind: 'a', points: [{ x: 1 }] };
  // @ts-expect-error -- `kind` has no such text
  const wrong: ValueOf<typeof thing> = { name: 'n', kind: 'c' };
  // @ts-expect-error -- `kind` is missing
  const missing: ValueOf<typeof thing> = { name: 'n' };
  assert.deepEqual(
    [isValid(thing, value), isValid(thing, wrong), isValid(thing, missing)],
    [true, false, false],
  );
});

for (const [what, schema, value, problems] of [
  ['an unknown field in an open object', thing, { name: 'n', kind: 'a', more: 1 }, []],
  ['a missing field', thing, { name: 'n' }, ['kind: is missing']],
  ['a field that only the prototype has', object({ toString: text() }), {}, ['toString: is missing']],
  ['an empty text', thing, { name: '', kind: 'a' }, ['name: must not be empty']],
  ['another word', thing, { name: 'n', kind: 'c' }, ['kind: must be "a" or "b"']],
  [
    'several problems',
    thing,
    { name: 1, isNew: 1 },
    ['kind: is missing', 'name: must be text', 'isNew: must be true or false'],
  ],
  [
    'problems in a list',
    thing,
    { name: 'n', kind: 'a', points: [{ x: 1 }, { x: 10 }, { x: -1, z: 1 }] },
    [
      'points.1.x: must be at most 9',
      'points.2.x: must be at least 0',
      'points.2: has the unknown field "z"',
    ],
  ],
  [
    'an unknown field named as one of a prototype',
    point,
    { x: 1, constructor: 1 },
    ['has the unknown field "constructor"'],
  ],
  ['null', point, null, ['must be an object']],
  ['a list', point, [], ['must be an object']],
  ['a fraction', point, { x: 0.5 }, ['x: must be a whole number']],
  ['a number that is not exact', integer(), 2 ** 53, ['must be a whole number']],
  ['a number that JSON reads as infinite', build.number(), JSON.parse('1e999'), ['must be a number']],
  ['a value of a newer version', build.extensibleOneOf(['a']), 'new', []],
  ['a number for such a value', build.extensibleOneOf(['a']), 1, ['must be text']],
  ['another constant', build.constant('a'), 'b', ['must be "a"']],
  ['another pattern', build.textLike('^/', 'an absolute path'), 'a', ['must be an absolute path']],
  ['none of several alternatives', build.anyOf(text(), truth()), 1, ['has none of the possible forms']],
  [
    'the fields of both alternatives',
    build.allOf(object({ a: text() }), object({ b: text() })),
    { a: '' },
    ['b: is missing'],
  ],
] as const) {
  test(`${what}: ${problems.join('; ') || 'no problem'}`, () => {
    assert.deepEqual(told(schema, value), problems);
  });
}

test('the check stops after the requested number of problems', () => {
  const value = Array.from({ length: 1000 }, () => ({ x: 'x', z: 1 }));
  assert.equal(problemsOf(list(point), value).length, 20);
  assert.equal(problemsOf(list(point), value, { max: 3 }).length, 3);
  assert.equal(problemsOf(point, Object.fromEntries(value.map((_, index) => [index, 1]))).length, 20);
});

// zod also reads fields of the prototype, so names such as `toString` would differ.
const NAMES = fc.constantFrom('a', 'b', 'c');

const schemas: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      text(),
      someText(),
      truth(),
      build.number(),
      integer(),
      build.count(),
      build.constant('a'),
    ),
    fc.constant(oneOf(['a', 'b'])),
    tie('schema').map((items) => list(items)),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((options) => build.anyOf(...options)),
    fc
      .tuple(fc.dictionary(NAMES, fc.tuple(tie('schema'), fc.boolean())), fc.boolean())
      .map(([fields, isClosed]) => {
        const built = Object.fromEntries(
          Object.entries(fields).map(([name, [field, isOptional]]) => [
            name,
            isOptional ? optional(field) : field,
          ]),
        );
        return isClosed ? closedObject(built) : object(built);
      }),
  ),
})).schema;

const leaves = fc.constantFrom<unknown>('a', 'b', '', 1, 0, -1, 0.5, true, null);
const values: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaves,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(NAMES, tie('value')),
  ),
})).value;

test('a value is valid exactly when zod accepts it for the same JSON Schema', () => {
  fc.assert(
    fc.property(schemas, values, (schema, value) => {
      const parsed = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value);
      assert.equal(isValid(schema, value), parsed.success);
    }),
    { numRuns: 500 },
  );
});

test('any JSON value is valid or has a problem with a bounded text', () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      for (const problem of told(point, JSON.parse(json))) assert.ok(problem.length < 600);
    }),
  );
});
