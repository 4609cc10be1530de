import {
  closedObject,
  count,
  extensibleOneOf,
  object,
  oneOf,
  text,
  textLike,
} from '../../base/json-schema/build.ts';
import type { Schema } from '../../base/json-schema/schema.ts';

// The schemas of this folder and of `events.ts`, `vm.ts` and `usage.ts` beside it are the API's only
// description. The types are inferred from them. The daemon checks requests with them, clients check answers
// with them, and the OpenAPI document and the JSON part of docs/cli.md show them.

/** A size. */
export function bytes(description = 'bytes'): Schema<number> {
  return count(description);
}

/** A moment. */
export function time(description = 'RFC 3339, UTC'): Schema<string> {
  return text(description);
}

/** A processor architecture, by Debian's name. */
export const arch = extensibleOneOf(['amd64', 'arm64']);

/** Which VM an answer is about. */
export const vmName = object({ id: text(), name: text() });

/** A path from the root on. */
export const absolutePath = textLike('^/[^\\0]*$', 'an absolute path');

/** An answer that says only that the request was done. */
export const done = object({});

/** A parameter of a query that is on when it is there: `?all=1`. */
export function flag(description: string): Schema<'1'> {
  return oneOf(['1'], description);
}

/** An object without fields: a body or a query of which nothing is wanted. */
export const nothing = closedObject({});
