import {
  anyOf,
  constant,
  count,
  integer,
  list,
  object,
  oneOf,
  optional,
  text,
} from '../../src/base/json-schema/build.ts';

/** How a command ended. */
export const exit = anyOf(
  object({ code: integer(), timedOut: optional(constant(true)) }),
  object({ signal: text(), number: integer() }),
);

/** What `vm job logs --json` prints. */
export const jobLog = object({
  droppedBytes: count('bytes after the cursor that the guest no longer has'),
  output: list(
    object({
      stream: oneOf(['stdout', 'stderr']),
      bytes: anyOf(text(), object({ b64: text() })),
    }),
    'in order; bytes that are not UTF-8 are in base64',
  ),
  cursor: text('for --after of the next call'),
  exit: optional({ ...exit, description: 'absent while the job runs' }),
});
