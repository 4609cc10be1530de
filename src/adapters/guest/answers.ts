import * as z from 'zod';
import { printable } from '../../base/errors.ts';
import { type GuestJob, MAX_JOBS } from '../../protocol/api/jobs.ts';
import type {
  GuestHealth,
  GuestPath,
  GuestPort,
  GuestStats,
  Personalisation,
  Personalised,
  Synced,
  Unpacked,
} from '../../protocol/guest.ts';
import { brokenProtocol, type Refusal } from './errors.ts';

/*
 * The guest's answers. The guest is not trusted: text is bounded and stripped of control characters; numbers
 * are integers and bounded.
 */

const text = z.string().max(1024).transform(printable);
const count = z.int().nonnegative();

/**
 * How an answer is read: it is parsed only when it is short enough, and used only when it matches the schema.
 */
export interface Answer<T> {
  maxBytes: number;
  schema: z.ZodType<T>;
}

const KIB = 1024;

/** Most ports that are reported; further ones are dropped. */
const MAX_PORTS = 2048;

const health: z.ZodType<GuestHealth> = z.object({
  generation: count,
  version: text,
  bootId: text,
  uptimeMs: count,
  init: z.enum(['systemd', 'agent']),
  ready: z.boolean(),
});

const port: z.ZodType<GuestPort> = z
  .object({
    proto: z.enum(['tcp', 'udp']),
    address: z.union([z.ipv4(), z.ipv6()]),
    port: z.int().min(1).max(65535),
    pid: z.int().positive().optional(),
    process: text.optional(),
  })
  .transform(({ pid, process, ...rest }) => ({
    ...rest,
    ...(pid === undefined ? {} : { pid }),
    ...(process === undefined ? {} : { process }),
  }));

/** `GET /health` and `GET /ready`. */
export const HEALTH: Answer<GuestHealth> = { maxBytes: 16 * KIB, schema: health };

/** `GET /ports`. */
export const PORTS: Answer<{ ports: GuestPort[] }> = {
  maxBytes: 256 * KIB,
  schema: z.object({
    ports: z
      .array(z.unknown())
      .transform((ports) => ports.slice(0, MAX_PORTS))
      .pipe(z.array(port)),
  }),
};

/** Latest moment that a date can have, in `ms` since 1970. */
const LATEST_MS = 8_640_000_000_000_000;

const moment = count.max(LATEST_MS);

/** A job. A command line in it has at most 1 KiB. */
const job: z.ZodType<GuestJob> = z
  .object({
    id: z.string().regex(/^[0-9a-f]{1,32}$/),
    command: z.array(text).max(1024),
    isCut: z.boolean().exactOptional(),
    user: text.exactOptional(),
    pid: count,
    isRunning: z.boolean(),
    startedMs: moment,
    endedMs: moment.exactOptional(),
    timeoutMs: count.exactOptional(),
    exit: z
      .union([
        z.object({ signal: z.string().max(64).transform(printable), number: z.int().min(1).max(127) }),
        z.object({ code: z.int().min(0).max(255), timedOut: z.literal(true).exactOptional() }),
      ])
      .exactOptional(),
    first: count,
    next: count,
  })
  .refine(({ first, next }) => first <= next, { path: ['first'] });

/** `POST /jobs` and what changes a job. */
export const JOB: Answer<GuestJob> = { maxBytes: 16 * KIB, schema: job };

/** `GET /jobs`. */
export const JOBS: Answer<{ jobs: GuestJob[] }> = {
  maxBytes: 512 * KIB,
  schema: z.object({
    jobs: z
      .array(z.unknown())
      .transform((jobs) => jobs.slice(0, MAX_JOBS))
      .pipe(z.array(job)),
  }),
};

const stats: z.ZodType<GuestStats> = z.object({
  cpu: z.object({ count, busyMs: count, totalMs: count, load1: z.number().nonnegative() }),
  memory: z.object({ totalBytes: count, availableBytes: count }),
  disks: z.array(z.object({ mount: text, totalBytes: count, usedBytes: count })).max(16),
  network: z.object({ receivedBytes: count, sentBytes: count }).exactOptional(),
});

/** `GET /stats`. */
export const STATS: Answer<GuestStats> = { maxBytes: 32 * KIB, schema: stats };

/** `GET /stat`. */
export const PATH: Answer<GuestPath> = {
  maxBytes: 4 * KIB,
  schema: z.object({ kind: z.enum(['file', 'directory', 'other']), sizeBytes: count }),
};

/** `PUT /tar`. */
export const UNPACKED: Answer<Unpacked> = {
  maxBytes: 4 * KIB,
  schema: z.object({ entries: count, bytes: count }),
};

/** `POST /sync`. */
export const SYNCED: Answer<Synced> = {
  maxBytes: 4 * KIB,
  schema: z.object({ programCount: count.exactOptional(), trimmedBytes: count.exactOptional() }),
};

/** One line of `POST /expose`. */
export const EXPOSED: Answer<{ id: number }> = { maxBytes: KIB, schema: z.object({ id: count }) };

/** Requests that only succeed or fail. */
export const EMPTY: Answer<object> = { maxBytes: 4 * KIB, schema: z.object({}) };

/** Files that the guest's surroundings are written to: of variables, and of certificates. */
const SURROUNDINGS_FILES = 2;

/** `POST /personalise`: names no more files than the request did, each with a path and a message. */
export function personalisedAnswer({ files = [], surroundings }: Personalisation): Answer<Personalised> {
  const unwritten = z.object({ path: z.string().max(4096).transform(printable), message: text });
  const most = files.length + (surroundings ? SURROUNDINGS_FILES : 0);
  return {
    maxBytes: 4 * KIB + most * 8 * KIB,
    schema: z.object({ wallClockMs: count, unwritten: z.array(unwritten).max(most).default([]) }),
  };
}

/**
 * Reads the body of an answer.
 *
 * @throws {AppError} GUEST_PROTOCOL when it is not JSON or has the wrong shape.
 */
export function parseAnswer<T>(body: Buffer, { action, answer }: { action: string; answer: Answer<T> }): T {
  const parsed = answer.schema.safeParse(parseJson(body.toString()));
  if (parsed.success) return parsed.data;
  // A ZodError as a whole has a text for every issue, and a guest could cause very many.
  const where = parsed.error.issues[0]?.path.slice(0, 4).join('.') ?? '';
  throw brokenProtocol(
    action,
    where === '' ? 'what it must not' : `what it must not ("${printable(where)}")`,
  );
}

const refusal: z.ZodType<Refusal> = z.object({
  code: z.string().max(64),
  message: z.string().max(8192),
  step: z.string().max(64).optional(),
});

/**
 * Reads the body of an answer whose status is not 200; `undefined` when it does not have the agent's form.
 */
export function parseRefusal(body: string): Refusal | undefined {
  const value = parseJson(body);
  return value === undefined ? undefined : refusal.safeParse(value).data;
}

/** The JSON value in `body`; `undefined` when it is not JSON. */
function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
