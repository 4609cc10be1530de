import { join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { nulList } from '../../git/nul-list.ts';
import type { TreeEntry } from '../../sent/tree-changes.ts';
import { textOf } from '../../workspace-work.ts';
import type { PlannedStep } from '../merge/planned-step.ts';
import { attributeOf, type PullGit } from '../pull-git.ts';

/** The diff of a file, or why there is none. */
export type ShownDiff = { patch: string } | { note: string };

/** Larger files have no diff, in `bytes`. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Most bytes of all files that have a diff, and of all diffs as JSON: half of what a client takes. */
const MAX_BYTES = 8 * 1024 * 1024;

const TOO_LARGE = 'it is too large to be shown';
const NOT_TEXT = 'it is not text';

/** How git compares: always the same, because changes are known by their numbers. */
const DIFF_ARGS = [
  ...['diff-tree', '-r', '-p', '-U3', '--inter-hunk-context=0', '--diff-algorithm=myers', '--full-index'],
  ...['--no-renames', '--no-ext-diff', '--no-textconv', '--no-color', '--no-prefix'],
];

/**
 * The hunks between the files on the host and what the steps make of them, by path. Git's own program prints
 * them, without the user's settings. The text is latin1.
 */
export async function shownDiffs(
  git: PullGit,
  steps: readonly PlannedStep[],
  { signal }: Abortable,
): Promise<Map<string, ShownDiff>> {
  const shown = new Map<string, ShownDiff>();
  const filters = await attributeOf(git, 'filter', { paths: steps.map(({ path }) => path), signal });
  const sizes = await sizesOf(git, steps, { signal });
  const compared: PlannedStep[] = [];
  let bytes = 0;
  for (const step of steps) {
    const { path, entry, sides } = step;
    const size = Math.max(sizes(sides.ours), sizes(entry));
    const note = /^(unspecified|unset)$/.test(filters.get(path) ?? 'unset')
      ? withoutDiff(step, { isTooLarge: size > MAX_FILE_BYTES || bytes + size > MAX_BYTES })
      : 'a filter converts it';
    if (note !== undefined) {
      shown.set(path, { note });
      continue;
    }
    bytes += size;
    compared.push(step);
  }
  const patches = await patchesOf(git, compared, { signal });
  let printedBytes = 0;
  for (const { path, sides, entry } of compared) {
    const patch = patches.get(path);
    const isSameContent = sides.ours !== undefined && sides.ours.object === entry?.object;
    const isEmpty = Math.max(sizes(sides.ours), sizes(entry)) === 0;
    printedBytes += Buffer.byteLength(JSON.stringify(textOf(patch ?? '')));
    if (printedBytes > MAX_BYTES) shown.set(path, { note: TOO_LARGE });
    else if (patch === undefined || (patch === '' && !isSameContent && !isEmpty))
      shown.set(path, { note: NOT_TEXT });
    else shown.set(path, { patch });
  }
  return shown;
}

function withoutDiff(
  { entry, sides }: PlannedStep,
  { isTooLarge }: { isTooLarge: boolean },
): string | undefined {
  if (sides.ours && entry && isLink(sides.ours) !== isLink(entry)) {
    return isLink(entry) ? 'a link takes the place of a file' : 'a file takes the place of a link';
  }
  return isTooLarge ? TOO_LARGE : undefined;
}

function isLink({ mode }: TreeEntry): boolean {
  return mode === '120000';
}

async function sizesOf(
  git: PullGit,
  steps: readonly PlannedStep[],
  { signal }: Abortable,
): Promise<(entry: TreeEntry | undefined) => number> {
  const objects = steps.flatMap(({ sides, entry }) => [sides.ours?.object ?? [], entry?.object ?? []].flat());
  const input = [...new Set(objects)].map((object) => `${object}\n`).join('');
  const { stdout } = await git.run(['cat-file', '--batch-check=%(objectname) %(objectsize)'], {
    signal,
    input,
  });
  const lines = stdout.toString('latin1').split('\n');
  const sizes = new Map(lines.map((line) => [line.split(' ')[0] ?? '', Number(line.split(' ')[1])]));
  return (entry) => (entry ? (sizes.get(entry.object) ?? Number.POSITIVE_INFINITY) : 0);
}

/** The hunks of each file that git compares as text. */
async function patchesOf(
  git: PullGit,
  steps: readonly PlannedStep[],
  { signal }: Abortable,
): Promise<Map<string, string>> {
  const before = await treeOf(git, steps, { side: ({ sides }) => sides.ours, signal });
  const after = await treeOf(git, steps, { side: ({ entry }) => entry, signal });
  const listed = await git.run(['diff-tree', '-r', '-z', '--no-renames', '--name-only', before, after], {
    signal,
  });
  const paths = listed.stdout.toString('latin1').split('\0').slice(0, -1);
  const { stdout } = await git.run(['-c', 'core.quotePath=true', ...DIFF_ARGS, before, after], { signal });
  // A line of a file never begins so, because it has a space, `+` or `-` before it; names are quoted.
  const sections = stdout
    .toString('latin1')
    .split(/^diff --git /m)
    .slice(1);
  const patches = new Map<string, string>();
  for (const [at, section] of sections.entries()) {
    const path = paths[at];
    if (path === undefined) continue;
    const start = section.indexOf('\n@@ ') + 1;
    patches.set(path, start === 0 ? '' : section.slice(start));
  }
  return patches;
}

/** A tree of one side of these files alone. */
async function treeOf(
  git: PullGit,
  steps: readonly PlannedStep[],
  { side, signal }: Abortable & { side: (step: PlannedStep) => TreeEntry | undefined },
): Promise<string> {
  const env = { GIT_INDEX_FILE: join(git.dir, 'index-shown') };
  await git.run(['read-tree', '--empty'], { signal, env });
  const lines = steps.flatMap((step) => {
    const entry = side(step);
    return entry ? [`${entry.mode} ${entry.object}\t${step.path}`] : [];
  });
  const input = Buffer.from(nulList(lines), 'latin1');
  await git.run(['update-index', '--add', '-z', '--index-info'], { signal, env, input });
  return (await git.run(['write-tree'], { signal, env })).stdout.toString('latin1').trim();
}
