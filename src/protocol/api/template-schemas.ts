import { z } from 'zod';
import { bytes, type Exact, time, vmShape } from './common-schemas.ts';
import type { PruneTemplatesRequest, Template } from './template.ts';

/** A warm template. */
export const template: Exact<Template> = z.object({
  key: z.string(),
  image: z.string(),
  kernel: z.string(),
  shape: vmShape,
  vmm: z.string(),
  diskBytes: bytes,
  createdAt: time,
  lastUsedAt: time,
});

/** Body of `POST /v1/templates/prune`. */
export const pruneTemplatesRequest = z.strictObject({
  all: z.boolean().exactOptional(),
}) satisfies Exact<PruneTemplatesRequest>;
