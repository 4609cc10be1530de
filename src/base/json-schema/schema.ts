/**
 * The part of JSON Schema (draft 2020-12) that this project uses; `check.ts` understands all of it. One plain
 * object says what a value looks like: the TypeScript type is inferred from it, values are checked with it,
 * and it goes into the OpenAPI document as it is.
 */
export interface JsonSchema {
  readonly type?: 'string' | 'boolean' | 'integer' | 'number' | 'array' | 'object';
  /** what the value is, with its article, where a check should say more than the type: `an absolute path` */
  readonly title?: string;
  readonly description?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly string[];
  /** texts that this version knows; a later version may send others, so every text passes */
  readonly 'x-extensible-enum'?: readonly string[];
  readonly minLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: false;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

declare const VALUE: unique symbol;

/** A schema whose values have the type `T`. The type is known to the compiler only. */
export interface Schema<T> extends JsonSchema {
  readonly [VALUE]?: T;
}

/** A field that may be absent. */
export interface Optional<T> {
  readonly optional: Schema<T>;
}

/** The fields of an object, by name. */
export type Fields = Readonly<Record<string, Schema<unknown> | Optional<unknown>>>;

/** The type of a schema's values. */
export type ValueOf<S> = S extends Optional<infer T> ? T : S extends Schema<infer T> ? T : never;

/** The type of an object with these fields. */
export type ObjectOf<F extends Fields> = Flat<
  { [K in keyof F as F[K] extends Optional<unknown> ? never : K]: ValueOf<F[K]> } & {
    [K in keyof F as F[K] extends Optional<unknown> ? K : never]?: ValueOf<F[K]>;
  }
>;

/** Lets the compiler show one object type instead of an intersection. */
type Flat<T> = { [K in keyof T]: T[K] };
