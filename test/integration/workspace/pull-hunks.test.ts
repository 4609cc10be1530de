import assert from 'node:assert/strict';
import { chmodSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../src/base/abort.ts';
import { changesOf, parseHunks, withChanges } from '../../../src/base/text/diff-hunks.ts';
import type { PulledFile, PullFileChoice } from '../../../src/protocol/api/workspace-pull.ts';
import { committed, openPullLab } from '../../helpers/pull-lab.ts';
import { makeScratch, put } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';

const signal = neverAborts();

const numbered = (edits: Readonly<Record<number, string>> = {}, count = 30): string =>
  Array.from({ length: count }, (_, at) => `${edits[at] ?? `line ${at}`}\n`).join('');

const only =
  (path: string, more: Partial<PullFileChoice> = {}) =>
  (files: readonly PulledFile[]): PullFileChoice[] =>
    files.filter((file) => file.path === path).map(({ digest }) => ({ path, digest, ...more }));

test('only the chosen hunks come, beside edits of the host, and the next pull begins at the rest', async () => {
  using scratch = makeScratch();
  const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: numbered(), other: 'one\n' }));
  put(lab.guest, 'file', numbered({ 2: 'two', 15: 'fifteen', 27: 'late' }));
  put(lab.guest, 'other', 'two\n');
  put(lab.root, 'file', numbered({ 9: 'of the host' }));
  const before = treeOf(lab.root);
  const some = await lab.pullSome(only('file', { changes: [0, 2] }));
  assert.deepEqual([some.isAll, some.paths], [false, [{ path: 'file', action: 'merge' }]]);
  const file = (): string => readFileSync(join(lab.root, 'file'), 'utf8');
  assert.equal(file(), numbered({ 2: 'two', 9: 'of the host', 27: 'late' }));
  assert.equal(readFileSync(join(lab.root, 'other'), 'utf8'), 'one\n');
  await lab.pulls.undo(lab.root, { signal });
  assert.deepEqual(treeOf(lab.root), before);
  await lab.pullSome(only('file', { changes: [0, 2] }));
  const rest = await lab.pullSome((files) => {
    assert.deepEqual(
      files.map(({ path, patch }) => [path, parseHunks(patch).flatMap(changesOf).length]),
      [
        ['file', 1],
        ['other', 1],
      ],
    );
    return files.map(({ path, digest }) => ({ path, digest }));
  });
  assert.equal(rest.isAll, true);
  assert.equal(file(), numbered({ 2: 'two', 9: 'of the host', 15: 'fifteen', 27: 'late' }));
  assert.deepEqual((await lab.pull()).paths, []);
});

test('any choice of changes makes the host what they make of it, and all of the rest makes the whole merge', async () => {
  const lineEdit = fc.record({ line: fc.nat(29), text: fc.constantFrom('x', 'y', 'x\ny', 'é') });
  const edits = fc.array(lineEdit, { minLength: 1, maxLength: 6 });
  let partCount = 0;
  await fc.assert(
    fc.asyncProperty(
      edits,
      fc.array(lineEdit, { maxLength: 2 }),
      fc.nat(),
      async (inGuest, onHost, which) => {
        using scratch = makeScratch();
        const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: numbered() }));
        const byLine = (all: typeof inGuest): Record<number, string> =>
          Object.fromEntries(all.map(({ line, text }) => [line, text]));
        put(lab.root, 'file', numbered(byLine(onHost)));
        put(lab.guest, 'file', numbered(byLine(inGuest)));
        const file = (): string => readFileSync(join(lab.root, 'file'), 'utf8');
        const before = file();
        let expected = before;
        let whole = before;
        const plan = await lab.pullSome((files) =>
          files.map(({ path, digest, patch }) => {
            const all = parseHunks(patch).flatMap(changesOf);
            const changes = [...all.keys()].filter((at) => (which >> at) % 2 === 1);
            expected = withChanges(
              before,
              all.filter((_, at) => changes.includes(at)),
            );
            whole = withChanges(before, all);
            return { path, digest, changes };
          }),
        );
        assert.equal(file(), expected);
        if (plan.paths.length > 0 && !plan.isAll) partCount += 1;
        const rest = await lab.pull();
        // Changes beside one another may be told apart no longer; then nothing is lost on either side.
        if (rest.conflicts.length > 0) assert.equal(file(), expected);
        else assert.equal(file(), whole);
      },
    ),
    { numRuns: 6 },
  );
  assert.ok(partCount > 0 || process.env['BANGER_TEST_SEED'] !== undefined, 'a part was pulled');
});

test('what has no hunks is taken whole or not at all, and the mode of a file by itself', async () => {
  using scratch = makeScratch();
  const files = { binary: 'a\0b', gone: 'one\n', script: numbered(), link: 'one\n', crlf: 'one\r\ntwo\r\n' };
  const lab = await openPullLab(scratch, committed(scratch, 'repo', files));
  put(lab.guest, 'binary', 'a\0c');
  put(lab.guest, 'new', 'one\ntwo\n');
  put(lab.guest, 'large', 'x'.repeat(2 ** 21));
  put(lab.guest, 'crlf', 'one\r\n2\r\n');
  rmSync(join(lab.guest, 'gone'));
  rmSync(join(lab.guest, 'link'));
  symlinkSync('new', join(lab.guest, 'link'));
  put(lab.guest, 'script', numbered({ 3: 'three', 20: 'twenty' }));
  chmodSync(join(lab.guest, 'script'), 0o755);
  const shown = new Map<string, PulledFile>();
  const plan = await lab.pullSome((found) => {
    for (const file of found) shown.set(file.path, file);
    return [...only('script', { changes: [1], keepsMode: true })(found), ...only('new')(found)];
  });
  assert.deepEqual(
    plan.paths.map(({ path }) => path),
    ['new', 'script'],
  );
  const facts = ['binary', 'gone', 'large', 'link', 'new', 'script', 'crlf'].map((path) => {
    const file = shown.get(path);
    return [path, file?.isWhole, file?.note, file?.oldMode, file?.newMode, file?.patch === ''];
  });
  assert.deepEqual(facts, [
    ['binary', true, 'it is not text', '100644', '100644', true],
    ['gone', true, undefined, '100644', undefined, false],
    ['large', true, 'it is too large to be shown', undefined, '100644', true],
    ['link', true, 'a link takes the place of a file', '100644', '120000', true],
    ['new', true, undefined, undefined, '100644', false],
    ['script', false, undefined, '100644', '100755', false],
    ['crlf', false, undefined, '100644', '100644', false],
  ]);
  const now = treeOf(lab.root);
  assert.equal(readFileSync(join(lab.root, 'script'), 'utf8'), numbered({ 20: 'twenty' }));
  await lab.pullSome(only('script', { changes: [] }));
  assert.notEqual(treeOf(lab.root).get('script'), now.get('script'), 'the mode is pulled by itself');
  assert.equal(readFileSync(join(lab.root, 'script'), 'utf8'), numbered({ 20: 'twenty' }));
  await lab.pull();
  assert.deepEqual(treeOf(lab.root), treeOf(lab.guest));
});

test('a choice is refused as a whole when a file has changed since, or when something left out is in its way', async () => {
  using scratch = makeScratch();
  const lab = await openPullLab(scratch, committed(scratch, 'repo', { file: 'one\n', a: 'one\n' }));
  rmSync(join(lab.guest, 'a'));
  put(lab.guest, 'a/inside', 'new\n');
  put(lab.guest, 'file', 'two\n');
  const before = treeOf(lab.root);
  const blocked = await lab.pullSome((found) => [...only('a/inside')(found), ...only('file')(found)]);
  assert.deepEqual(blocked.conflicts, [{ path: 'a/inside', reason: '"a" is a file here' }]);
  assert.deepEqual(treeOf(lab.root), before);
  await assert.rejects(
    lab.pullSome((found) => [...only('file', { digest: 'other' })(found), ...only('a')(found)]),
    (error: { code?: string; details?: unknown }) => {
      assert.deepEqual([error.code, error.details], ['WORKSPACE_PULL_STALE', { paths: ['file'] }]);
      return true;
    },
  );
  for (const more of [{ changes: [7] }, { changes: [-1] }]) {
    await assert.rejects(lab.pullSome(only('file', more)), { code: 'REQUEST_INVALID' });
  }
  await assert.rejects(lab.pullSome(only('a', { changes: [0] })), { code: 'REQUEST_INVALID' });
  assert.deepEqual(treeOf(lab.root), before);
});

test('markers of a conflict are hunks like others, and a name that looks like a diff hides nothing', async () => {
  using scratch = makeScratch();
  const strange = 'x\ndiff --git a';
  const files = { both: numbered(), [strange]: 'one\n', z: 'one\n' };
  const lab = await openPullLab(scratch, committed(scratch, 'repo', files));
  put(lab.root, 'both', numbered({ 4: 'here' }));
  put(lab.guest, 'both', numbered({ 4: 'there', 22: 'more' }));
  put(lab.guest, strange, 'two\n');
  put(lab.guest, 'z', 'diff --git a/y b/y\n@@ -1 +1 @@\n');
  const plan = await lab.pullSome((found) => {
    assert.deepEqual(
      found.map(({ path, patch }) => [path, parseHunks(patch).flatMap(changesOf).length]),
      [
        ['both', 3],
        [strange, 1],
        ['z', 1],
      ],
    );
    return [...only('both', { changes: [2] })(found), ...only('z')(found)];
  }, true);
  assert.equal(plan.conflicts.length, 1);
  assert.equal(readFileSync(join(lab.root, 'both'), 'utf8'), numbered({ 4: 'here', 22: 'more' }));
  assert.equal(readFileSync(join(lab.root, 'z'), 'utf8'), 'diff --git a/y b/y\n@@ -1 +1 @@\n');
});
