// What every answer of the daemon is checked with before it is used (`answers/`). Enough to rely on the
// types, without a schema library: zod costs a third of the whole command line's start-up. Words that a newer
// daemon may add to (states, accelerators, architectures) pass as any text: a list with one VM in an unknown
// state is still a list.

/** A check of one value's shape. */
export type Guard = (value: unknown) => boolean;

/** A check that also tells the compiler. */
export type GuardOf<T> = (value: unknown) => value is T;

/** A text. */
export const isText: GuardOf<string> = (value) => typeof value === 'string';
/** A number. */
export const isNumber: GuardOf<number> = (value) => typeof value === 'number';
/** `true` or `false`. */
export const isTruth: GuardOf<boolean> = (value) => typeof value === 'boolean';

/** An object that is not an array and not `null`. */
export const isRecord: GuardOf<Record<string, unknown>> = (value): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Passes `undefined` too. */
export function optional(guard: Guard): Guard {
  return (value) => value === undefined || guard(value);
}

/** One of these texts. */
export function oneOf(...allowed: readonly string[]): Guard {
  return (value) => typeof value === 'string' && allowed.includes(value);
}

/** An array whose every item passes. */
export function listOf<T>(guard: GuardOf<T>): GuardOf<T[]> {
  return (value): value is T[] => Array.isArray(value) && value.every(guard);
}

/**
 * An object with these fields; it may have more, because an answer's fields are added to and never changed.
 */
export function shapeOf<T>(fields: { readonly [K in keyof T]-?: Guard }): GuardOf<T> {
  const checks = Object.entries(fields) as [string, Guard][];
  return (value): value is T => isRecord(value) && checks.every(([name, guard]) => guard(value[name]));
}
