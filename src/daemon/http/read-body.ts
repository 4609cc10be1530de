import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { AppError, printable } from '../../base/errors.ts';

/** Longest request body, in `bytes`: requests are small records. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Reads a request's JSON body and checks it. Without a `schema` the body is read and must be empty or an
 * empty object.
 *
 * @throws {AppError} REQUEST_INVALID naming every bad field; REQUEST_TOO_LONG.
 */
export async function readBody(request: IncomingMessage, schema: z.ZodType | undefined): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // A body that is refused must not take the connection with it: the client is still to be told.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      throw new AppError('REQUEST_TOO_LONG', `Cannot take a request of more than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return parseBody(Buffer.concat(chunks).toString('utf8'), schema ?? z.strictObject({}));
}

/** Checks the text of a body; an empty one counts as `{}`. Errors as {@link readBody}. */
function parseBody(text: string, schema: z.ZodType): unknown {
  let value: unknown;
  try {
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new AppError('REQUEST_INVALID', 'Cannot read the request: its body is not JSON', { cause: error });
  }
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const problems = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new AppError(
    'REQUEST_INVALID',
    `Cannot use the request: ${printable(problems.join('; ')).slice(0, 500)}`,
    {
      details: { problems: problems.slice(0, 20) },
    },
  );
}
