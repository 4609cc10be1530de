import type { IncomingMessage } from 'node:http';
import { AppError, printable } from '../../base/errors.ts';
import { problemsOf, problemText } from '../../base/json-schema/check.ts';
import type { JsonSchema } from '../../base/json-schema/schema.ts';
import { nothing } from '../../protocol/api/common.ts';

/** Longest request body, in `bytes`: requests are small records. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Reads a request's JSON body and checks it. An empty body counts as `{}`; without a `schema`, no other
 * value is accepted.
 *
 * @throws {AppError} REQUEST_INVALID naming every bad field; REQUEST_TOO_LONG.
 */
export async function readBody(request: IncomingMessage, schema: JsonSchema = nothing): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // The connection must outlive a body that is refused, because the client still has to read the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      throw new AppError('REQUEST_TOO_LONG', `Cannot take a request of more than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return checked(parseJson(Buffer.concat(chunks).toString('utf8')), schema);
}

/**
 * Reads a query, such as `all=1`, and checks it. Digits become a number where the schema says so.
 *
 * @throws {AppError} REQUEST_INVALID naming every bad parameter, and one that is given twice.
 */
export function readQuery(query: string, schema: JsonSchema): unknown {
  const given = [...new URLSearchParams(query)];
  const value = Object.fromEntries(
    given.map(([name, text]) => [
      name,
      isInteger(schema, name) && /^\d{1,15}$/.test(text) ? Number(text) : text,
    ]),
  );
  if (Object.keys(value).length < given.length) throw refusal(['a parameter of the query is given twice']);
  return checked(value, schema);
}

function isInteger({ properties = {} }: JsonSchema, name: string): boolean {
  return Object.hasOwn(properties, name) && properties[name]?.type === 'integer';
}

function parseJson(text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new AppError('REQUEST_INVALID', 'Cannot read the request: its body is not JSON', { cause: error });
  }
}

function checked(value: unknown, schema: JsonSchema): unknown {
  const problems = problemsOf(schema, value);
  if (problems.length > 0) throw refusal(problems.map(problemText));
  return value;
}

function refusal(problems: readonly string[]): AppError {
  const message = `Cannot use the request: ${printable(problems.join('; ')).slice(0, 500)}`;
  return new AppError('REQUEST_INVALID', message, { details: { problems } });
}
