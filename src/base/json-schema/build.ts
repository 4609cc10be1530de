import type { Fields, ObjectOf, Optional, Schema, ValueOf } from './schema.ts';

/** A text. */
export function text(description?: string): Schema<string> {
  return described({ type: 'string' }, description);
}

/** A text that is not empty. */
export function someText(description?: string): Schema<string> {
  return described({ type: 'string', minLength: 1 }, description);
}

/** A text that matches `pattern`; `title` names what it is then, with its article. */
export function textLike(pattern: string, title: string): Schema<string> {
  return { type: 'string', pattern, title };
}

/** `true` or `false`. */
export function truth(description?: string): Schema<boolean> {
  return described({ type: 'boolean' }, description);
}

/** A number, with or without a fraction. */
export function number(description?: string): Schema<number> {
  return described({ type: 'number' }, description);
}

/** A whole number, within `limits`. */
export function integer(
  description?: string,
  limits: { minimum?: number; maximum?: number } = {},
): Schema<number> {
  return described({ type: 'integer', ...limits }, description);
}

/** How many of something, or how much of it. */
export function count(description?: string): Schema<number> {
  return integer(description, { minimum: 0 });
}

/** Exactly this value. */
export function constant<const T extends string | number | boolean>(value: T): Schema<T> {
  return { const: value };
}

/** One of these texts and no other. */
export function oneOf<const T extends string>(values: readonly T[], description?: string): Schema<T> {
  return described({ type: 'string', enum: values }, description);
}

/**
 * One of these texts, as far as this version knows: a check lets every text pass, because the other side may
 * be newer.
 */
export function extensibleOneOf<const T extends string>(
  values: readonly T[],
  description?: string,
): Schema<T> {
  return described({ type: 'string', 'x-extensible-enum': values }, description);
}

/** A list. */
export function list<T>(items: Schema<T>, description?: string): Schema<T[]> {
  return described({ type: 'array', items }, description);
}

/** An object with any fields. */
export function record(description?: string): Schema<Readonly<Record<string, unknown>>> {
  return described({ type: 'object' }, description);
}

/** Any value. */
export function anything(description?: string): Schema<unknown> {
  return described({}, description);
}

/** A value of any of these schemas. */
export function anyOf<const S extends readonly Schema<unknown>[]>(...options: S): Schema<ValueOf<S[number]>> {
  return { anyOf: options };
}

/** An object with the fields of both. */
export function allOf<A, B>(left: Schema<A>, right: Schema<B>): Schema<A & B> {
  return { allOf: [left, right] };
}

/** Marks a field of an object that may be absent. */
export function optional<T>(schema: Schema<T>): Optional<T> {
  return { optional: schema };
}

/** An object with these fields; it may have more, because later versions add fields. */
export function object<F extends Fields>(fields: F, description?: string): Schema<ObjectOf<F>> {
  const entries = Object.entries(fields);
  return described(
    {
      type: 'object',
      properties: Object.fromEntries(
        entries.map(([name, field]) => [name, 'optional' in field ? field.optional : field]),
      ),
      required: entries.filter(([, field]) => !('optional' in field)).map(([name]) => name),
    },
    description,
  );
}

/** An object with these fields and no others. */
export function closedObject<F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  return { ...object(fields), additionalProperties: false };
}

function described<T>(schema: Schema<T>, description: string | undefined): Schema<T> {
  return description === undefined ? schema : { ...schema, description };
}
