import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { exportCommand } from '../../../src/sdk/workspace/export-workspace.ts';
import { beginning, take, visibleStep } from '../../helpers/random-steps.ts';
import { makeScratch, put, type Scratch, sendTo } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';

/** What `vm workspace export` prints, from a guest's folder on this host. */
function exportFrom(scratch: Scratch, guest: string): Buffer {
  const [program, ...args] = exportCommand(guest);
  const ran = spawnSync(program, args, { env: scratch.env, maxBuffer: 2 ** 28 });
  assert.equal(ran.status, 0, ran.stderr.toString());
  return ran.stdout;
}

function applyTo(scratch: Scratch, host: string, patch: Buffer): void {
  if (patch.length === 0) return;
  const ran = spawnSync('git', ['apply'], { cwd: host, env: scratch.env, input: patch });
  assert.equal(ran.status, 0, `${ran.stderr}\n${patch}`);
}

test('what the guest changed applies on the host, whatever was sent dirty; its commits are in it', () => {
  return withRepository(async (scratch, root) => {
    put(root, 'edited', 'host edit\n');
    put(root, 'staged', 'staged\n');
    scratch.git(root, 'add', 'staged');
    put(root, 'untracked', 'on the host only\n');
    rmSync(join(root, 'gone'));
    const { guest } = await sendTo(scratch, root);
    assert.equal(exportFrom(scratch, guest).toString(), '', 'nothing was changed in the guest yet');
    assert.equal(scratch.git(guest, 'log', '--format=%s').toString(), 'first\n');
    put(guest, 'plain', 'committed in the guest\n');
    scratch.git(guest, 'commit', '-q', '-a', '-m', 'in the guest');
    put(guest, 'edited', 'host edit\nguest edit\n');
    put(guest, 'new', 'new\n');
    const patch = exportFrom(scratch, guest);
    applyTo(scratch, root, patch);
    assert.deepEqual(
      ['plain', 'edited', 'new', 'staged', 'untracked'].map((name) => readFileSync(join(root, name), 'utf8')),
      ['committed in the guest\n', 'host edit\nguest edit\n', 'new\n', 'staged\n', 'on the host only\n'],
    );
  });
});

test('the tree that was sent outlives git gc in the guest', () => {
  return withRepository(async (scratch, root) => {
    put(root, 'edited', 'host edit\n');
    const { guest } = await sendTo(scratch, root);
    scratch.git(guest, 'gc', '-q', '--prune=now');
    scratch.git(guest, 'fsck', '--strict');
    assert.equal(exportFrom(scratch, guest).toString(), '');
  });
});

test('line endings that git converts are not part of the patch', () => {
  return withRepository(async (scratch, root) => {
    scratch.git(root, 'config', 'core.autocrlf', 'true');
    scratch.git(root, 'config', 'core.safecrlf', 'true');
    put(root, 'edited', 'mixed\r\nendings\n');
    put(root, 'plain', 'with\r\nreturns\r\n');
    const { guest } = await sendTo(scratch, root);
    assert.equal(exportFrom(scratch, guest).toString(), '');
    put(guest, 'plain', 'with\r\nreturns\r\nand more\r\n');
    applyTo(scratch, root, exportFrom(scratch, guest));
    assert.equal(readFileSync(join(root, 'plain'), 'utf8'), 'with\r\nreturns\r\nand more\r\n');
  });
});

test("the patch of random edits in the guest gives the guest's tree on the host", async () => {
  await fc.assert(
    fc.asyncProperty(
      beginning,
      fc.array(visibleStep, { maxLength: 12 }),
      fc.array(visibleStep, { minLength: 1, maxLength: 12 }),
      async (first, dirty, inGuest) => {
        using scratch = makeScratch();
        const root = scratch.init('repo');
        for (const each of [...first, ...dirty]) take(scratch, root, each);
        const { guest } = await sendTo(scratch, root, { includeUntracked: true });
        assert.equal(exportFrom(scratch, guest).toString(), '');
        for (const each of inGuest) take(scratch, guest, each);
        applyTo(scratch, root, exportFrom(scratch, guest));
        assert.deepEqual(treeOf(root), treeOf(guest));
      },
    ),
    { numRuns: 15 },
  );
});

test("the patch applies beside the host's own later edits of other lines", async () => {
  const edit = fc.record({ file: fc.nat(3), line: fc.nat(40), text: fc.stringMatching(/^[a-z]{1,8}$/) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(edit, { maxLength: 4 }),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.array(edit, { maxLength: 4 }),
      async (dirty, inGuest, later) => {
        using scratch = makeScratch();
        const root = scratch.init('repo');
        const lines = Array.from({ length: 120 }, (_, at) => `line ${at}`);
        for (const file of [0, 1, 2, 3]) put(root, `file${file}`, `${lines.join('\n')}\n`);
        scratch.git(root, 'add', '-A');
        scratch.git(root, 'commit', '-q', '-m', 'first');
        const replace = (at: string, third: number, edits: typeof dirty): void => {
          for (const { file, line, text } of edits) {
            const all = readFileSync(join(at, `file${file}`), 'utf8').split('\n');
            // Each third has its own lines, far enough apart for the context of a patch.
            all[third * 42 + (line % 34) + 3] = text;
            put(at, `file${file}`, all.join('\n'));
          }
        };
        replace(root, 0, dirty);
        const { guest } = await sendTo(scratch, root);
        replace(guest, 1, inGuest);
        const wanted = join(scratch.dir, 'wanted');
        scratch.git(scratch.dir, 'clone', '-q', root, wanted);
        for (const [third, edits] of [dirty, inGuest, later].entries()) replace(wanted, third, edits);
        replace(root, 2, later);
        applyTo(scratch, root, exportFrom(scratch, guest));
        assert.deepEqual(treeOf(root), treeOf(wanted));
      },
    ),
    { numRuns: 8 },
  );
});

async function withRepository(body: (scratch: Scratch, root: string) => Promise<void>): Promise<void> {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (const name of ['plain', 'edited', 'gone']) put(root, name, 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  await body(scratch, root);
}
