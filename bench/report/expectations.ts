import { closedObject, list, number, optional, someText, truth } from '../../src/base/json-schema/build.ts';
import { problemsOf, problemText } from '../../src/base/json-schema/check.ts';
import type { ValueOf } from '../../src/base/json-schema/schema.ts';

const expectation = closedObject({
  measurement: someText(),
  row: someText(),
  ceiling: number('most that the ratio may be'),
  of: optional(someText('the row of the same measurement that the ratio is to; default: its own floor')),
  isOptional: optional(truth('the row may say that it could not be measured here')),
});

/** The ceiling of one row. */
export type Expectation = ValueOf<typeof expectation>;

const expectations = closedObject({ rows: list(expectation) });

/**
 * Reads the text of `bench/expectations.json`.
 *
 * @throws {Error} saying what is wrong with it; a row with two ceilings counts as wrong.
 */
export function parseExpectations(text: string): Expectation[] {
  const value: unknown = JSON.parse(text);
  const [problem] = problemsOf(expectations, value);
  if (problem) throw new Error(`Cannot use the expectations: ${problemText(problem)}`);
  const { rows } = value as ValueOf<typeof expectations>;
  const twice = rows.find(({ row }, index) => rows.findIndex((other) => other.row === row) < index);
  if (twice) throw new Error(`Cannot use the expectations: the row "${twice.row}" is there twice`);
  return rows;
}
