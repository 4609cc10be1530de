import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../src/base/abort.ts';
import type { WorkspaceContent } from '../../../src/core/ports/workspace.ts';
import { parseState, stateCommand } from '../../../src/core/vms/workspace/guest-tree.ts';
import { applyCommand } from '../../../src/core/vms/workspace/update-workspace.ts';
import { type LoggedGit, logGit } from '../../helpers/logged-git.ts';
import {
  assertSameToGit,
  filesUnder,
  makeScratch,
  put,
  type Scratch,
  unpack,
} from '../../helpers/scratch-repository.ts';

const signal = neverAborts();

/** A repository, its copy in a guest on this host, and what is kept of it. */
interface Lab extends Disposable {
  scratch: Scratch;
  root: string;
  guest: string;
  logged: LoggedGit;
  /** Sends what has changed and applies it. Returns whether the delta was made from the kept tree alone. */
  send(content?: WorkspaceContent): Promise<{ isFromKept: boolean; isEmpty: boolean }>;
}

async function makeLab(): Promise<Lab> {
  const scratch = makeScratch();
  const root = scratch.init('repo');
  for (const name of ['a', 'b', 'folder/c', 'folder/deep/d']) put(root, name, `${name}\n`);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  put(root, 'b', 'edited\n');
  return await labOf(scratch, root);
}

async function labOf(scratch: Scratch, root: string): Promise<Lab> {
  const guest = `${root}-in-guest`;
  const keptIn = `${root}-kept`;
  mkdirSync(guest);
  {
    await using packed = await scratch.source.pack(root, { signal });
    await unpack(packed.tar, guest);
    await packed.done;
    await packed.keep(keptIn);
  }
  const logged = logGit(scratch);
  let count = 0;
  const inGuest = ([program, ...args]: readonly [string, ...string[]]): Buffer => {
    const ran = spawnSync(program, args, { env: scratch.env });
    assert.equal(ran.status, 0, ran.stderr.toString());
    return ran.stdout;
  };
  return {
    ...{ scratch, root, guest, logged },
    send: async (content = {}) => {
      const tree = parseState(inGuest(stateCommand(guest)));
      const listTree = (): Promise<Buffer> =>
        Promise.resolve(scratch.git(guest, 'ls-tree', '-r', '-z', tree.sentCommit ?? ''));
      count += 1;
      // Every second time, with what a comparison has found, as `vm workspace prepare` does.
      const { sentCommit } = tree;
      const { look } =
        count % 2 === 0
          ? await scratch.source.compareWithSent(keptIn, { ...content, path: root, sentCommit, signal })
          : {};
      logged.taken();
      const base = Promise.resolve({ ...tree, listTree });
      const from = { keptIn, base, ...(look ? { look } : {}) };
      await using delta = await scratch.source.packDelta(root, { ...content, ...from, signal });
      assert.ok(delta);
      if (!delta.isEmpty) {
        const incoming = join(guest, '.git/banger/incoming');
        mkdirSync(incoming, { recursive: true });
        await unpack(delta.tar, incoming);
        await delta.done;
      }
      const isFromKept = !logged
        .taken()
        .some((line) => line.startsWith('update-index -q --unmerged --refresh'));
      if (!delta.isEmpty) inGuest(applyCommand(guest, 'apply'));
      await delta.keep(keptIn);
      return { isFromKept, isEmpty: delta.isEmpty };
    },
    [Symbol.dispose]: () => scratch[Symbol.dispose](),
  };
}

test('when only files have changed, the kept index says which, and the guest gets exactly those', async () => {
  using lab = await makeLab();
  const { scratch, root, guest } = lab;
  assert.deepEqual(await lab.send(), { isFromKept: true, isEmpty: true });
  put(root, 'a', 'edited, too\n');
  put(root, 'folder/c', 'edited\n');
  chmodSync(join(root, 'folder/deep/d'), 0o755);
  assert.deepEqual(await lab.send(), { isFromKept: true, isEmpty: false });
  assertSameToGit(scratch, root, guest);
  // Back to what git has stored, and another edit.
  put(root, 'b', 'b\n');
  put(root, 'a', 'edited again\n');
  assert.deepEqual(await lab.send(), { isFromKept: true, isEmpty: false });
  assertSameToGit(scratch, root, guest);
  rmSync(join(root, 'a'));
  symlinkSync('b', join(root, 'a'));
  assert.deepEqual(await lab.send(), { isFromKept: true, isEmpty: false });
  assertSameToGit(scratch, root, guest);
  scratch.git(guest, 'fsck', '--strict');
});

// The edits have the same size, and some the same second, of which git takes note by the time of the index.
test('the kept tree can be looked at again and again: it has all objects of its own, and sees each edit', async () => {
  using lab = await makeLab();
  for (let round = 0; round < 4; round += 1) {
    put(lab.root, 'folder/c', `round ${round}\n`);
    assert.deepEqual(await lab.send(), { isFromKept: true, isEmpty: false });
  }
  lab.scratch.git(lab.root, 'commit', '-q', '-a', '-m', 'second');
  assert.equal((await lab.send()).isFromKept, false);
  assertSameToGit(lab.scratch, lab.root, lab.guest);
});

test('what a comparison has found is not looked for again', async () => {
  using lab = await makeLab();
  const { scratch, root, logged } = lab;
  const keptIn = `${root}-kept`;
  put(root, 'a', 'edited, too\n');
  put(root, 'untracked');
  const [sentCommit = '', headCommit = ''] = scratch
    .git(lab.guest, 'rev-parse', 'refs/banger/sent', 'HEAD')
    .toString()
    .split('\n');
  const { look, summary } = await scratch.source.compareWithSent(keptIn, { path: root, sentCommit, signal });
  assert.equal(summary, undefined);
  assert.ok(look);
  logged.taken();
  const base = Promise.resolve({ headCommit, sentCommit, branches: new Map<string, string>() });
  await using delta = await scratch.source.packDelta(root, { keptIn, base, look, signal });
  assert.equal(delta?.summary.untrackedCount, 1);
  const walks = logged.taken().filter((line) => /^(diff-files|ls-files --others|diff) /.test(line));
  assert.deepEqual(walks, []);
});

const OTHER_CHANGES: readonly { what: string; change: (lab: Lab) => void }[] = [
  { what: 'a commit', change: ({ scratch, root }) => scratch.git(root, 'commit', '-qam', 'second') },
  { what: 'a staged change', change: ({ scratch, root }) => scratch.git(root, 'add', 'b') },
  { what: 'a new branch', change: ({ scratch, root }) => scratch.git(root, 'branch', 'other') },
  { what: 'a switch of branches', change: ({ scratch, root }) => scratch.git(root, 'checkout', '-qb', 'x') },
  { what: 'attributes', change: ({ root }) => put(root, '.git/info/attributes', '*.txt eol=crlf\n') },
  {
    what: 'a setting',
    change: ({ scratch, root }) => scratch.git(root, 'config', 'core.autocrlf', 'input'),
  },
  {
    what: 'a commit of the guest',
    change: ({ scratch, root, guest }) => {
      scratch.git(guest, '-c', 'user.name=x', '-c', 'user.email=x@localhost', 'commit', '-qam', 'own');
      scratch.git(root, 'fetch', '-q', guest, 'HEAD');
    },
  },
];

for (const { what, change } of OTHER_CHANGES) {
  test(`after ${what}, the whole tree is looked at`, async () => {
    using lab = await makeLab();
    change(lab);
    put(lab.root, 'a', 'edited, too\n');
    assert.equal((await lab.send()).isFromKept, false);
    assertSameToGit(lab.scratch, lab.root, lab.guest);
  });
}

test('attributes in the tree, and files that are missing, have the whole tree looked at', async () => {
  using lab = await makeLab();
  put(lab.root, '.gitattributes', '*.txt text\n');
  lab.scratch.git(lab.root, 'add', '-A');
  await lab.send();
  put(lab.root, '.gitattributes', '* eol=lf\n');
  assert.equal((await lab.send()).isFromKept, false);
  rmSync(join(lab.root, 'folder/c'));
  assert.deepEqual(await lab.send(), { isFromKept: true, isEmpty: false });
  put(lab.root, 'folder/c', 'back\n');
  assert.equal((await lab.send()).isFromKept, false);
  assertSameToGit(lab.scratch, lab.root, lab.guest);
});

test('the guest gets the commits that a shallow clone has fetched since, with the same branches', async () => {
  using lab = await makeLab();
  const { scratch, root } = lab;
  for (const message of ['second', 'third'])
    scratch.git(root, 'commit', '-q', '-a', '--allow-empty', '-m', message);
  const clone = join(scratch.dir, 'clone');
  scratch.git(scratch.dir, 'clone', '-q', '--depth', '1', `file://${root}`, clone);
  const shallow = await labOf(scratch, clone);
  put(clone, 'a', 'edited\n');
  await shallow.send();
  scratch.git(clone, 'fetch', '-q', '--deepen', '1');
  await shallow.send();
  assertSameToGit(scratch, clone, shallow.guest);
  scratch.git(clone, 'fetch', '-q', '--unshallow');
  await shallow.send();
  assertSameToGit(scratch, clone, shallow.guest);
  scratch.git(shallow.guest, 'fsck', '--strict');
});

/** What a user does between two copies. */
const step = fc.record({
  name: fc.constantFrom('a', 'b', 'folder/c', 'folder/deep/d'),
  what: fc.constantFrom(
    'edit',
    'edit',
    'same size',
    'delete',
    'restore',
    'link',
    'folder',
    'stage',
    'commit',
  ),
});

test('after any changes, with copies between, the guest has the tree of the host', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 4 }), async (rounds) => {
      using lab = await makeLab();
      const { scratch, root, guest } = lab;
      let count = 0;
      for (const steps of rounds) {
        for (const { name, what } of steps) {
          count += 1;
          const path = join(root, name);
          if (what === 'commit') scratch.git(root, 'commit', '-q', '--allow-empty', '-am', `commit ${count}`);
          else if (what === 'stage') scratch.git(root, 'add', '-A');
          else {
            rmSync(path, { recursive: true, force: true });
            if (what === 'edit') put(root, name, `edit ${count}\n`);
            if (what === 'same size') put(root, name, `${String(count).padStart(4, '0')}\n`);
            if (what === 'restore') put(root, name, `${name}\n`);
            if (what === 'link') symlinkSync(`${count}`, path);
            if (what === 'folder') put(root, `${name}/inside`, `${count}\n`);
          }
        }
        await lab.send();
        assertSameToGit(scratch, root, guest, { hasHistory: false });
        const files = filesUnder(guest);
        await lab.send();
        assert.deepEqual(filesUnder(guest), files);
      }
    }),
    { numRuns: 6 },
  );
});
