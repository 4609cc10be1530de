import type { StoredBase } from '../../ports/work-disk-bases.ts';
import { shareBudget } from '../../rules/share-budget.ts';
import type { WarmStarts } from '../world.ts';

/** What pruning the cache works on. */
export type CacheWorld = Pick<WarmStarts, 'templates' | 'bases' | 'templateBudgetBytes'>;

/** What of the cache may stay. */
export interface CacheRequest {
  /** delete all that is not in use, instead of what exceeds the budget */
  all?: boolean | undefined;
  /** only return what would be deleted */
  dryRun?: boolean | undefined;
}

/**
 * Deletes the warm templates that have no place in the disk budget, which they share with base images.
 * Returns their keys.
 */
export async function pruneTemplates(world: CacheWorld, { all, dryRun }: CacheRequest): Promise<string[]> {
  const { templates } = await shares(world, { all });
  return await world.templates.prune({ maxBytes: templates, isDryRun: dryRun ?? false });
}

/** As {@link pruneTemplates}, for base images, and those whose repository is gone. */
export async function pruneBases(world: CacheWorld, { all, dryRun }: CacheRequest): Promise<StoredBase[]> {
  const { bases } = await shares(world, { all });
  return await world.bases.prune({ maxBytes: bases, isDryRun: dryRun ?? false });
}

async function shares(
  { templates, bases, templateBudgetBytes }: CacheWorld,
  { all }: CacheRequest,
): Promise<{ templates: number; bases: number }> {
  if (all) return { templates: 0, bases: 0 };
  const kinds = { templates: await templates.list(), bases: await bases.list() };
  return shareBudget(kinds, templateBudgetBytes);
}
