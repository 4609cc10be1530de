import type { Socket } from 'node:net';
import * as z from 'zod';
import { type Abortable, onAbort, withDeadline } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import { LineSplitter } from '../../../base/text/line-splitter.ts';
import { connectUnix } from '../../../base/unix-socket.ts';
import type { LearnedNetwork, NetworkCheck, NetworkPolicy } from '../../../core/ports/vmm/network.ts';

/** A request of the network's control socket (`host/internal/net/control`). */
type NetworkRequest =
  | { do: 'state' | 'watch' | 'learned' }
  | { do: 'settings'; settings: { exposedPorts: readonly number[]; policy: NetworkPolicy } }
  | { do: 'secrets'; secrets: SentSecrets }
  | { do: 'check'; check: { target: string; addresses: readonly string[] } };

/** The secrets of a network (`host/internal/net/secrets`); what has no value keeps the one that is known. */
export interface SentSecrets {
  /** base64 */
  seed: string;
  secrets: readonly { name: string; placeholder: string; host: string; port: number; value?: string }[];
}

const policyState = z.looseObject({
  mode: z.string(),
  rules: z.array(z.looseObject({ rule: z.string(), allowed: z.int() })),
  refused: z.int(),
  unlogged: z.int().optional(),
});

const stateSchema = z.looseObject({
  isConnected: z.boolean(),
  exposedPorts: z.array(z.int().min(1).max(65_535)).max(65_535),
  counters: z.record(z.string(), z.number()),
  policy: policyState.optional(),
  secrets: z.array(z.looseObject({ placeholder: z.string(), isKnown: z.boolean() })).optional(),
  authority: z.looseObject({ pem: z.string(), subjectHash: z.string().regex(/^[0-9a-f]{8}$/) }).optional(),
});

const checkSchema: z.ZodType<NetworkCheck> = z.looseObject({
  allowed: z.boolean(),
  rule: z.string().optional(),
  reason: z.string().optional(),
  allow: z.string().optional(),
  steps: z.array(z.string()),
});

const learnedSchema: z.ZodType<LearnedNetwork> = z.looseObject({
  rules: z
    .array(z.looseObject({ rule: z.string(), warnings: z.array(z.string()).optional(), uses: z.int() }))
    .nullable()
    .transform((rules) => rules ?? []),
  missed: z.int().optional(),
});

/** What a network answers. */
export type NetworkAnswer = z.infer<typeof stateSchema>;

const ANSWER_DEADLINE_MS = 5_000;

/** More than an answer with every port in it. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Asks the network behind a control socket, on a connection of its own.
 *
 * @throws {AppError} NETWORK_LOST when nobody answers, or not as a network does.
 */
export async function askNetwork(
  controlSocket: string,
  request: NetworkRequest & { do: 'state' | 'settings' | 'secrets' },
  { signal }: Abortable,
): Promise<NetworkAnswer> {
  using session = await open(controlSocket, request, { schema: stateSchema, signal });
  return session.answer;
}

/** What the network would do with a connection. @throws {AppError} as {@link askNetwork}. */
export async function askCheck(
  controlSocket: string,
  check: { target: string; addresses: readonly string[] },
  { signal }: Abortable,
): Promise<NetworkCheck> {
  using session = await open(controlSocket, { do: 'check', check }, { schema: checkSchema, signal });
  return session.answer;
}

/** What the network has learned. @throws {AppError} as {@link askNetwork}, also when it does not learn. */
export async function askLearned(controlSocket: string, { signal }: Abortable): Promise<LearnedNetwork> {
  using session = await open(controlSocket, { do: 'learned' }, { schema: learnedSchema, signal });
  return session.answer;
}

/** A connection to a network that ends with it. */
export interface NetworkWatch<Answer = NetworkAnswer> extends Disposable {
  /** what the network answered at the beginning */
  readonly answer: Answer;
  /** settles when the network has ended, or the watch is disposed of */
  readonly closed: Promise<void>;
}

/** Notices the end of a network. @throws {AppError} as {@link askNetwork}. */
export async function watchNetwork(controlSocket: string, { signal }: Abortable): Promise<NetworkWatch> {
  return await open(controlSocket, { do: 'watch' }, { schema: stateSchema, signal });
}

async function open<Answer>(
  controlSocket: string,
  request: NetworkRequest,
  { schema, signal }: Abortable & { schema: z.ZodType<Answer> },
): Promise<NetworkWatch<Answer>> {
  const socket = connectUnix(controlSocket);
  // A daemon that ends does not wait for the ends of networks.
  socket.unref();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  try {
    const options = { signal, deadlineMs: ANSWER_DEADLINE_MS, what: "the VM's network to answer" };
    socket.ref();
    const line = await withDeadline((inner) => firstLine(socket, { signal: inner, request }), options);
    socket.unref();
    return { answer: parsed(line, schema), closed, [Symbol.dispose]: () => void socket.destroy() };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function firstLine(
  socket: Socket,
  { request, signal }: Abortable & { request: NetworkRequest },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const lines = new LineSplitter(MAX_ANSWER_BYTES);
  const aborted = onAbort(signal, () => reject(signal.reason));
  socket.on('error', (error) => reject(lost(error)));
  socket.on('close', () => reject(lost()));
  socket.on('data', (chunk) => {
    try {
      const [line] = lines.push(chunk);
      if (line !== undefined) resolve(line);
    } catch (error) {
      reject(lost(error));
    }
  });
  socket.write(`${JSON.stringify(request)}\n`);
  return promise.finally(() => aborted[Symbol.dispose]());
}

function parsed<Answer>(line: string, schema: z.ZodType<Answer>): Answer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw lost(error);
  }
  const { data, error } = schema.safeParse(value);
  if (data === undefined) throw lost(error);
  return data;
}

function lost(cause?: unknown): AppError {
  return new AppError('NETWORK_LOST', "Cannot reach the VM's network: its process does not answer", {
    cause,
  });
}
