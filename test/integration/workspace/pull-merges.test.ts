import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../src/base/abort.ts';
import { openPullLab } from '../../helpers/pull-lab.ts';
import { beginning, type Step, take, visibleStep } from '../../helpers/random-steps.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';

/** Steps that leave commits and the index alone: a pull is about files. */
const edit = visibleStep.filter(({ do: what }) => /^(write|remove|chmod|move|link)$/.test(what));

/** Edits of lines of text, which often merge. */
const lineEdit = fc.record({ file: fc.nat(2), line: fc.nat(11), text: fc.constantFrom('x', 'y', 'z') });

/**
 * What git itself makes of both sides, from commits of whole trees: the merged tree, or the paths of its
 * conflicts. The classic merge without a search for renames is the one that a pull does.
 */
function mergedByGit(
  scratch: Scratch,
  sides: { base: string; ours: string; theirs: string },
): { tree: Map<string, string> } | 'conflict' {
  const model = scratch.init(`model${readdirSync(scratch.dir).length}`);
  const commit = (from: string): void => {
    const at = [`--git-dir=${join(model, '.git')}`, `--work-tree=${from}`];
    scratch.git(from, ...at, 'add', '-A', '-f', '.');
    scratch.git(from, ...at, 'commit', '-q', '--allow-empty', '-m', 'x');
  };
  commit(sides.base);
  scratch.git(model, 'branch', 'theirs');
  commit(sides.ours);
  scratch.git(model, 'symbolic-ref', 'HEAD', 'refs/heads/theirs');
  commit(sides.theirs);
  scratch.git(model, 'checkout', '-q', '-f', 'main');
  const how = ['-c', 'merge.renames=false', 'merge', '-q', '-s', 'recursive', '-X', 'diff-algorithm=myers'];
  const ran = spawnSync('git', [...how, '-m', 'm', 'theirs'], { cwd: model, env: scratch.env });
  return ran.status === 0 ? { tree: treeOf(model) } : 'conflict';
}

async function checkMerge(
  scratch: Scratch,
  { root, host, inGuest }: { root: string; host: () => void; inGuest: (guest: string) => void },
): Promise<'merged' | 'conflict' | 'refused'> {
  const lab = await openPullLab(scratch, root);
  const base = join(scratch.dir, 'base');
  assert.equal(spawnSync('cp', ['-a', lab.guest, base]).status, 0);
  host();
  inGuest(lab.guest);
  const before = treeOf(root);
  const outside = treeOf(scratch.home);
  const plan = await lab.pull();
  assert.deepEqual(treeOf(scratch.home), outside, 'nothing outside is changed');
  if (plan.refused.length > 0) {
    assert.deepEqual(treeOf(root), before);
    return 'refused';
  }
  const now = treeOf(root);
  // The model needs the host as it was.
  if (plan.conflicts.length === 0 && plan.paths.length > 0)
    await lab.pulls.undo(root, { signal: neverAborts() });
  assert.deepEqual(treeOf(root), before, 'a conflict changes nothing, and an undo takes everything back');
  // Git merges files that both sides have added when one is empty. A pull never touches such a file of the
  // host, which git may not track.
  if (plan.conflicts.some(({ reason }) => reason.startsWith('added here'))) return 'conflict';
  const model = mergedByGit(scratch, { base, ours: root, theirs: lab.guest });
  if (model === 'conflict') {
    assert.notEqual(plan.conflicts.length, 0, 'git finds a conflict');
    return 'conflict';
  }
  assert.deepEqual(plan.conflicts, [], 'git finds no conflict');
  assert.deepEqual(now, model.tree);
  return 'merged';
}

/** The usual cases have merges and conflicts; a few random ones may not. */
function requireBoth(seen: { merged: number; conflict: number }): void {
  if (process.env['BANGER_TEST_SEED'] !== undefined) return;
  assert.ok(seen.merged > 0 && seen.conflict > 0, JSON.stringify(seen));
}

test('after random steps on both sides, the host has the merge that git makes, and an undo takes it back', async () => {
  const seen = { merged: 0, conflict: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      beginning,
      fc.array(edit, { maxLength: 5 }),
      fc.array(edit, { minLength: 1, maxLength: 6 }),
      async (first, onHost, inGuest) => {
        using scratch = makeScratch();
        const root = scratch.init('repo');
        for (const each of first) take(scratch, root, each);
        const apply = (at: string, steps: readonly Step[]): void => {
          for (const each of steps) take(scratch, at, each);
        };
        seen[
          await checkMerge(scratch, {
            root,
            host: () => apply(root, onHost),
            inGuest: (guest) => apply(guest, inGuest),
          })
        ] += 1;
      },
    ),
    { numRuns: 8 },
  );
  requireBoth(seen);
});

test('lines that both sides have changed merge as git merges them', async () => {
  const seen = { merged: 0, conflict: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(lineEdit, { minLength: 1, maxLength: 3 }),
      fc.array(lineEdit, { minLength: 1, maxLength: 3 }),
      async (onHost, inGuest) => {
        using scratch = makeScratch();
        const root = scratch.init('repo');
        const all = [0, 1, 2].map(() => Array.from({ length: 12 }, (_, at) => `line ${at}`));
        const write = (at: string, edits: typeof onHost): void => {
          const files = all.map((lines) => [...lines]);
          for (const { file, line, text } of edits) (files[file] ?? [])[line] = text;
          for (const [number, lines] of files.entries()) put(at, `file${number}`, `${lines.join('\n')}\n`);
        };
        write(root, []);
        scratch.git(root, 'add', '-A');
        scratch.git(root, 'commit', '-q', '-m', 'first');
        seen[
          await checkMerge(scratch, {
            root,
            host: () => write(root, onHost),
            inGuest: (guest) => write(guest, inGuest),
          })
        ] += 1;
      },
    ),
    { numRuns: 8 },
  );
  requireBoth(seen);
});
