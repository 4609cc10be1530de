import type { JsonSchema, Schema } from './schema.ts';

/** What is wrong at one place of a value. */
export interface Problem {
  /** names and indices from the outermost value on */
  path: string[];
  /** such as `must be text`; quotes names that the value has */
  message: string;
}

/** Most problems that are looked for in one value: a hostile value could have one in each of its bytes. */
const MAX_PROBLEMS = 20;

/** Longest name of an unknown field that a message quotes, in characters. */
const MAX_QUOTED_CHARS = 80;

const TYPES: Readonly<
  Record<NonNullable<JsonSchema['type']>, { name: string; has: (value: unknown) => boolean }>
> = {
  string: { name: 'text', has: (value) => typeof value === 'string' },
  boolean: { name: 'true or false', has: (value) => typeof value === 'boolean' },
  integer: { name: 'a whole number', has: Number.isSafeInteger },
  number: { name: 'a number', has: Number.isFinite },
  array: { name: 'a list', has: Array.isArray },
  object: { name: 'an object', has: isRecord },
};

/** Whether `value`, which comes from `JSON.parse`, is as `schema` says. */
export function isValid<T>(schema: Schema<T>, value: unknown): value is T {
  return problemsOf(schema, value, { max: 1 }).length === 0;
}

/** What is wrong with `value`, which comes from `JSON.parse`: nothing, or the first `max` problems. */
export function problemsOf(schema: JsonSchema, value: unknown, { max = MAX_PROBLEMS } = {}): Problem[] {
  const found: Problem[] = [];
  collect(schema, value, { found, max });
  return found;
}

/** A problem for people: `name: must be text`. Names in it are as the value has them. */
export function problemText({ path, message }: Problem): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}

/** An object that is neither an array nor `null`. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Collector {
  found: Problem[];
  max: number;
}

function collect(schema: JsonSchema, value: unknown, into: Collector): void {
  if (into.found.length >= into.max) return;
  const message = ownProblem(schema, value);
  if (message !== undefined) {
    into.found.push({ path: [], message });
    return;
  }
  for (const part of schema.allOf ?? []) collect(part, value, into);
  if (schema.items && Array.isArray(value)) {
    for (const [index, item] of value.entries()) collectAt(index, schema.items, item, into);
  }
  if (schema.properties && isRecord(value)) collectFields(schema, value, into);
}

function collectFields(schema: JsonSchema, value: Record<string, unknown>, into: Collector): void {
  const { properties = {}, required = [] } = schema;
  for (const name of required) {
    if (!Object.hasOwn(value, name)) add({ path: [name], message: 'is missing' }, into);
  }
  // By the value's fields, because an answer lists many objects with few of the fields that they may have.
  for (const name of Object.keys(value)) {
    const field = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (field) collectAt(name, field, value[name], into);
  }
  if (schema.additionalProperties !== false) return;
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(properties, name)) continue;
    const quoted = JSON.stringify(name.slice(0, MAX_QUOTED_CHARS));
    add({ path: [], message: `has the unknown field ${quoted}` }, into);
    if (into.found.length >= into.max) return;
  }
}

function collectAt(key: string | number, schema: JsonSchema, value: unknown, into: Collector): void {
  const before = into.found.length;
  collect(schema, value, into);
  if (into.found.length === before) return;
  for (const { path } of into.found.slice(before)) path.unshift(String(key));
}

function add(problem: Problem, { found, max }: Collector): void {
  if (found.length < max) found.push(problem);
}

/** What is wrong with a value itself, not counting its fields and items. */
function ownProblem(schema: JsonSchema, value: unknown): string | undefined {
  const { type, anyOf } = schema;
  if (schema.const !== undefined && value !== schema.const) return `must be ${JSON.stringify(schema.const)}`;
  if (type !== undefined && !TYPES[type].has(value)) return `must be ${schema.title ?? TYPES[type].name}`;
  if (anyOf && !anyOf.some((option) => isValid(option, value))) return 'has none of the possible forms';
  if (typeof value === 'string') return textProblem(schema, value);
  if (typeof value === 'number') return numberProblem(schema, value);
  return undefined;
}

function textProblem(
  { enum: allowed, minLength, pattern, title }: JsonSchema,
  value: string,
): string | undefined {
  if (allowed && !allowed.includes(value)) {
    return `must be ${allowed.map((one) => JSON.stringify(one)).join(' or ')}`;
  }
  if (minLength !== undefined && value.length < minLength) {
    return minLength === 1 ? 'must not be empty' : `must have at least ${minLength} characters`;
  }
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
    return `must ${title === undefined ? `match ${pattern}` : `be ${title}`}`;
  }
  return undefined;
}

function numberProblem({ minimum, maximum }: JsonSchema, value: number): string | undefined {
  if (minimum !== undefined && value < minimum) return `must be at least ${minimum}`;
  if (maximum !== undefined && value > maximum) return `must be at most ${maximum}`;
  return undefined;
}
