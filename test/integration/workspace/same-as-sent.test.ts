import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { PackedWorkspace, WorkspaceContent } from '../../../src/core/ports/workspace.ts';
import { logGit } from '../../helpers/logged-git.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';

const signal = neverAborts();

interface Lab extends Disposable {
  scratch: Scratch;
  root: string;
  /** Packs the tree, and keeps what it is compared with. */
  keep(content?: WorkspaceContent): Promise<void>;
  same(content?: WorkspaceContent): Promise<PackedWorkspace['summary'] | undefined>;
  kind(): Promise<string | undefined>;
}

function makeLab(): Lab {
  const scratch = makeScratch();
  const root = scratch.init('repo');
  for (const name of ['a', 'b', 'folder/c']) put(root, name, `${name}\n`);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  const keptIn = join(scratch.dir, 'kept');
  let sentCommit: string | undefined;
  return {
    ...{ scratch, root },
    keep: async (content = {}) => {
      await using packed = await scratch.source.pack(root, { ...content, signal });
      for await (const _ of packed.tar);
      await packed.done;
      sentCommit = await packed.keep(keptIn);
    },
    same: (content = {}) => scratch.source.sameAsSent(keptIn, { ...content, path: root, sentCommit, signal }),
    kind: async () => (await scratch.source.changeSince(keptIn, { sentCommit, signal }))?.kind,
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

test('a tree that has not changed is compared without listing its index', async () => {
  using lab = makeLab();
  put(lab.root, 'b', 'edited\n');
  await lab.keep();
  const logged = logGit(lab.scratch);
  assert.equal((await lab.same())?.trackedCount, 3);
  const asked = logged.taken().map((line) => line.split(' ').slice(0, 2).join(' '));
  assert.deepEqual(asked.sort(), [
    'config --list',
    'diff-files --raw',
    'for-each-ref --format=%(objectname)',
    'ls-files --others',
  ]);
});

test('a tree with a missing file is another one once the file is back', async () => {
  using lab = makeLab();
  const moved = join(lab.scratch.dir, 'moved');
  renameSync(join(lab.root, 'folder/c'), moved);
  await lab.keep();
  assert.ok(await lab.same());
  assert.equal(await lab.kind(), 'none');
  renameSync(moved, join(lab.root, 'folder/c'));
  assert.equal(await lab.same(), undefined);
  assert.equal(await lab.kind(), 'files');
});

test('the untracked files and tools of a tree that was sent before are those of now', async () => {
  using lab = makeLab();
  put(lab.root, 'untracked');
  await lab.keep();
  assert.equal((await lab.same())?.untrackedCount, 1);
  put(lab.root, 'untracked too');
  put(lab.root, '.nvmrc', '24\n');
  const summary = await lab.same();
  assert.equal(summary?.untrackedCount, 3);
  assert.deepEqual(summary?.tooling?.pins, ['node@24']);
  await lab.keep({ includeUntracked: true });
  assert.equal((await lab.same({ includeUntracked: true }))?.untrackedCount, 3);
  put(lab.root, 'one more');
  assert.equal(await lab.same({ includeUntracked: true }), undefined);
});

test('files that git was told not to compare are never taken as unchanged', async () => {
  using lab = makeLab();
  lab.scratch.git(lab.root, 'update-index', '--assume-unchanged', 'a');
  await lab.keep();
  put(lab.root, 'a', 'changed behind the back of git\n');
  assert.equal(await lab.same(), undefined);
});

function configure({ scratch, root }: Lab, key: string, value: string): void {
  scratch.git(root, 'config', key, value);
}

test('a tree is the one that was sent after a change of settings that the guest does not get', async () => {
  using lab = makeLab();
  await lab.keep();
  configure(lab, 'alias.st', 'status');
  configure(lab, 'core.editor', 'vi');
  configure(lab, 'filter.crypt.clean', 'crypt');
  assert.ok(await lab.same());
});

test('so it is when its history is cut, or an operation is unfinished', async () => {
  using lab = makeLab();
  const { scratch, root } = lab;
  scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'second');
  scratch.git(root, 'bisect', 'start');
  const [second] = scratch.git(root, 'rev-parse', 'HEAD').toString().split('\n');
  put(root, '.git/shallow', `${second}\n`);
  await lab.keep();
  assert.ok(await lab.same());
  rmSync(join(root, '.git/shallow'));
  assert.equal(await lab.same(), undefined);
});

const CHANGES: readonly { what: string; change: (lab: Lab) => void }[] = [
  { what: 'an edit', change: ({ root }) => put(root, 'a', 'edited\n') },
  { what: 'a staged edit', change: ({ scratch, root }) => scratch.git(root, 'add', '-N', 'new') },
  { what: 'a branch', change: ({ scratch, root }) => scratch.git(root, 'branch', 'other') },
  { what: 'a switch', change: ({ scratch, root }) => scratch.git(root, 'checkout', '-q', '-b', 'other') },
  { what: 'no branch', change: ({ scratch, root }) => scratch.git(root, 'checkout', '-q', '--detach') },
  {
    what: 'a commit',
    change: ({ scratch, root }) => scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'second'),
  },
  { what: 'a setting of conversions', change: (lab) => configure(lab, 'core.autocrlf', 'input') },
  { what: 'a setting of modes', change: (lab) => configure(lab, 'core.fileMode', 'false') },
  { what: 'a remote', change: (lab) => configure(lab, 'remote.origin.url', 'https://example.com/x') },
  { what: 'another author', change: (lab) => configure(lab, 'user.name', 'Somebody Else') },
  {
    what: 'a setting of the user',
    change: ({ scratch, root }) => scratch.git(root, 'config', '--global', 'core.quotePath', 'false'),
  },
  { what: 'an ignore rule of the user', change: ({ scratch }) => put(scratch.home, '.config/git/ignore') },
  { what: 'attributes', change: ({ root }) => put(root, '.git/info/attributes', '* -text\n') },
  { what: 'the begin of a bisect', change: ({ scratch, root }) => scratch.git(root, 'bisect', 'start') },
  { what: 'no repository', change: ({ root }) => rmSync(join(root, '.git'), { recursive: true }) },
  { what: 'no folder', change: ({ root }) => rmSync(root, { recursive: true }) },
];

for (const { what, change } of CHANGES) {
  test(`a tree is not the one that was sent after ${what}`, async () => {
    using lab = makeLab();
    put(lab.root, 'new');
    await lab.keep();
    assert.ok(await lab.same());
    change(lab);
    assert.equal(await lab.same(), undefined);
  });
}
