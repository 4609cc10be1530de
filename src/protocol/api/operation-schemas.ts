import { z } from 'zod';
import type { ErrorBody } from '../events.ts';
import { type Exact, time } from './common-schemas.ts';
import type { Operation } from './operation.ts';

/** Body of every failed answer. */
export const errorBody: Exact<ErrorBody> = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().exactOptional(),
  details: z.record(z.string(), z.unknown()).exactOptional(),
  causes: z.array(z.string()).exactOptional(),
});

/** An operation. */
export const operation: Exact<Operation> = z.object({
  id: z.string(),
  kind: z.string(),
  target: z.string().exactOptional(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  stage: z.string().exactOptional(),
  detail: z.string().exactOptional(),
  isDetached: z.boolean(),
  isCancellable: z.boolean(),
  startedAt: time,
  endedAt: time.exactOptional(),
  error: errorBody.exactOptional(),
});
