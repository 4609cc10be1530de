import { z } from 'zod';
import { printable } from '../../base/errors.ts';
import type {
  GuestHealth,
  GuestPath,
  GuestPort,
  GuestStats,
  Personalised,
  Unpacked,
} from '../../protocol/guest.ts';

/*
 * The guest's answers. The guest is not trusted: text is bounded and loses its control characters, numbers are whole and bounded.
 */

const text = z.string().max(1024).transform(printable);
const count = z.int().nonnegative();

/** `GET /health` and `GET /ready`. */
export const healthAnswer: z.ZodType<GuestHealth> = z.object({
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

/** `GET /ports`. */
export const portsAnswer: z.ZodType<{ ports: GuestPort[] }> = z.object({ ports: z.array(port) });

/** `GET /stats`. */
export const statsAnswer: z.ZodType<GuestStats> = z.object({
  cpu: z.object({ count, busyMs: count, totalMs: count, load1: z.number().nonnegative() }),
  memory: z.object({ totalBytes: count, availableBytes: count }),
  disks: z.array(z.object({ mount: text, totalBytes: count, usedBytes: count })).max(16),
  network: z.object({ receivedBytes: count, sentBytes: count }).exactOptional(),
});

/** `GET /stat`. */
export const pathAnswer: z.ZodType<GuestPath> = z.object({
  kind: z.enum(['file', 'directory', 'other']),
  sizeBytes: count,
});

/** `PUT /tar`. */
export const unpackedAnswer: z.ZodType<Unpacked> = z.object({ entries: count, bytes: count });

/** `POST /sync`. */
export const syncedAnswer: z.ZodType<{ programCount?: number }> = z.object({
  programCount: count.exactOptional(),
});

/** Requests that only succeed or fail. */
export const emptyAnswer = z.object({});

/** `POST /personalise`. */
export const personalisedAnswer: z.ZodType<Personalised> = z.object({
  wallClockMs: count,
  unwritten: z
    .array(z.object({ path: z.string().max(4096).transform(printable), message: text }))
    .default([]),
});

/** What the agent says of a request that it did not do. */
export interface Refusal {
  code: string;
  message: string;
  /** the step of a personalisation that failed */
  step?: string | undefined;
}

const refusal: z.ZodType<Refusal> = z.object({
  code: z.string().max(64),
  message: z.string().max(8192),
  step: z.string().max(64).optional(),
});

/** Reads the body of an answer that is not 200; undefined when it is not one of ours. */
export function parseRefusal(body: string): Refusal | undefined {
  const value = parseJson(body);
  return value === undefined ? undefined : refusal.safeParse(value).data;
}

/** The JSON value in `body`; undefined when it is none. */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
