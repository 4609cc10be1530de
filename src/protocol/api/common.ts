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

/** The VM that an answer is about. */
export const vmName = object({ id: text(), name: text() });

/** An absolute path. */
export const absolutePath = textLike('^/[^\\0]*$', 'an absolute path');

/** An answer without content: the request succeeded. */
export const done = object({});

/** A query parameter that is on when it is present: `?all=1`. */
export function flag(description: string): Schema<'1'> {
  return oneOf(['1'], description);
}

/** An object without fields: a body or a query without parameters. */
export const nothing = closedObject({});
