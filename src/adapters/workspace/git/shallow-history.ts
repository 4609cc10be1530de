import type { Abortable } from '../../../base/abort.ts';
import type { Git } from './git-command.ts';

/** Most commits that are examined; the history is cut at the last one. */
const MAX_COMMITS = 20_000;

/** A history cut at some depth. */
export interface CutHistory {
  commits: ReadonlySet<string>;
  /** those of them that lose their parents; git's `shallow` file lists them */
  boundary: readonly string[];
}

/**
 * Cuts the history of `tips` (commits) as `git clone --depth` does: `depth` commits along every line of
 * parents.
 */
export async function cutHistory(
  git: Git,
  options: Abortable & { tips: readonly string[]; depth: number },
): Promise<CutHistory> {
  const { tips, depth, signal } = options;
  const { stdout } = await git.run(['rev-list', '--parents', `--max-count=${MAX_COMMITS}`, '--stdin'], {
    signal,
    input: tips.map((tip) => `${tip}\n`).join(''),
  });
  const parents = new Map<string, string[]>();
  for (const line of stdout.toString('latin1').split('\n')) {
    const [commit, ...rest] = line.split(' ');
    if (commit) parents.set(commit, rest);
  }
  return cutGraph(parents, { tips, depth });
}

/** The pure part of {@link cutHistory}: `parents` of each known commit, breadth first from `tips`. */
export function cutGraph(
  parents: ReadonlyMap<string, readonly string[]>,
  { tips, depth }: { tips: readonly string[]; depth: number },
): CutHistory {
  const commits = new Set(tips);
  const boundary: string[] = [];
  let level = [...commits];
  for (let at = 1; level.length > 0; at += 1) {
    const next: string[] = [];
    for (const commit of level) {
      const above = parents.get(commit);
      const isCut = above === undefined || above.some((parent) => at >= depth || !parents.has(parent));
      if (isCut) {
        boundary.push(commit);
        continue;
      }
      for (const parent of above) {
        if (commits.has(parent)) continue;
        commits.add(parent);
        next.push(parent);
      }
    }
    level = next;
  }
  return { commits, boundary };
}
