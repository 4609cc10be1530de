import { z } from 'zod';
import type { VmShape } from '../vm.ts';

// The `*-schemas.ts` beside this file are the API's bodies: requests are validated with them, and the OpenAPI
// document is made from them. The command line never loads one.

/** How many of something. */
export const count = z.int().nonnegative();

/** A size. */
export const bytes = z.int().nonnegative().describe('bytes');

/** A moment. */
export const time = z.string().describe('RFC 3339, UTC');

/** A processor architecture, by Debian's name. */
export const arch = z.enum(['amd64', 'arm64']);

/** A schema of just this type. Drops `undefined` from optional properties, as JSON cannot carry it. */
export type Exact<T> = z.ZodType<{ [K in keyof T]: T[K] }, unknown>;

/** Fields of a VM's shape; their limits are the core's. */
export const shape = {
  vcpuCount: z.int(),
  memoryMib: z.int().describe('MiB'),
  diskSizeBytes: z.int().describe('bytes'),
  systemOverlaySizeBytes: z.int().describe('bytes'),
};

/** A VM's shape, all of it. */
export const vmShape: Exact<VmShape> = z.strictObject(shape);

/** Which VM an answer is about. */
export const vmName = z.object({ id: z.string(), name: z.string() });
