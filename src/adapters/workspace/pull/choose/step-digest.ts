import { createHash } from 'node:crypto';
import type { PlannedStep } from '../merge/planned-step.ts';

/** Names what a step changes, and in which file: the same change of the same file has the same digest. */
export function stepDigest({ path, action, entry, before, sides }: PlannedStep): string {
  const facts = [path, action, entry ?? null, before ?? null, sides.base ?? null, sides.theirs ?? null];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32);
}
