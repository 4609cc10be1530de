/** Something in the cache, as far as the disk budget is concerned. */
export interface CacheEntry {
  diskBytes: number;
  lastUsedAt: string;
}

/**
 * How many `bytes` of each kind stay when the least recently used entries of all kinds go until the rest
 * takes `maxBytes` at most. Pure.
 */
export function shareBudget<Kind extends string>(
  kinds: Readonly<Record<Kind, readonly CacheEntry[]>>,
  maxBytes: number,
): Record<Kind, number> {
  const names = Object.keys(kinds) as Kind[];
  const kept = Object.fromEntries(names.map((kind) => [kind, 0])) as Record<Kind, number>;
  const entries = names
    .flatMap((kind) => kinds[kind].map((entry) => ({ kind, ...entry })))
    .sort((a, b) => b.lastUsedAt.localeCompare(a.lastUsedAt));
  let total = 0;
  for (const { kind, diskBytes } of entries) {
    total += diskBytes;
    if (total > maxBytes) break;
    kept[kind] += diskBytes;
  }
  return kept;
}
