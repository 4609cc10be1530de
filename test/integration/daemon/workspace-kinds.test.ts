import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { exportCommand } from '../../../src/sdk/workspace/export-workspace.ts';
import { workspaceChanges } from '../../../src/sdk/workspace/workspace-changes.ts';
import { assertSameToGit, makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { commitAll, withSubmodules } from '../../helpers/submodules.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn, refusedPathsIn } from '../../support/prepare-in-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let scratch: Scratch;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  scratch = makeScratch();
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

function exported(guest: string): string {
  const [program, ...args] = exportCommand(guest);
  return spawnSync(program, args, { env: scratch.env }).stdout.toString();
}

test('files with a filter, which the guest does not run, are updated and stay clean there', async () => {
  const root = scratch.init('filtered');
  const guest = join(lab.dir, 'filtered');
  scratch.git(scratch.dir, 'config', '--global', 'filter.case.clean', 'tr A-Z a-z');
  scratch.git(scratch.dir, 'config', '--global', 'filter.case.smudge', 'tr a-z A-Z');
  put(root, '.gitattributes', '*.case filter=case\n');
  for (const name of ['x.case', 'y.case', 'z.case']) put(root, name, 'ONE\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'filtered');
  const status = (): string => {
    const args = ['-C', guest, 'status', '--porcelain'];
    return spawnSync('git', args, { env: { ...scratch.env, HOME: guest } }).stdout.toString();
  };
  await prepareIn(lab, root, guest);
  assert.equal(status(), '');
  const isStale = async (): Promise<boolean | undefined> =>
    (await lab.client.showVm('web', { withHost: true, signal })).workspace?.isStale;
  assert.equal(await isStale(), false);
  assert.equal((await prepareIn(lab, root, guest)).bytes, 0, 'nothing has changed');
  for (const name of ['x.case', 'y.case', 'z.case']) put(root, name, 'TWO\n');
  scratch.git(root, 'commit', '-q', '-am', 'second');
  await prepareIn(lab, root, guest);
  assert.deepEqual([readFileSync(join(guest, 'x.case'), 'utf8'), status()], ['TWO\n', '']);
  assert.equal(await isStale(), false);
  put(root, 'x.case', 'THREE\n');
  await prepareIn(lab, root, guest);
  assert.equal(status(), ' M x.case\n');
  scratch.git(root, 'checkout', '-q', '--', 'x.case');
  await prepareIn(lab, root, guest);
  assert.deepEqual([readFileSync(join(guest, 'x.case'), 'utf8'), status()], ['TWO\n', '']);
  put(guest, 'y.case', 'GUEST\n');
  put(root, 'y.case', 'HOST\n');
  put(root, 'z.case', 'HOST\n');
  scratch.git(root, 'commit', '-q', '-am', 'third');
  assert.deepEqual(await refusedPathsIn(lab, root, guest), ['y.case']);
});

test('submodules are updated with their repository, and refuse before any of them is changed', async () => {
  const { root } = withSubmodules(scratch, 'super');
  const guest = join(lab.dir, 'super');
  const isStale = async (): Promise<boolean | undefined> =>
    (await lab.client.showVm('web', { withHost: true, signal })).workspace?.isStale;
  const assertSame = (): void => {
    for (const name of ['', 'lib', 'lib/nested'])
      assertSameToGit(scratch, join(root, name), join(guest, name));
    assert.equal(exported(guest), '');
    assert.equal(exported(join(guest, 'lib')), '');
  };
  const first = await prepareIn(lab, root, guest);
  assert.deepEqual(first.submodules, ['lib', 'lib/nested']);
  assertSame();
  assert.equal(await isStale(), false);
  assert.equal((await prepareIn(lab, root, guest)).bytes, 0, 'nothing has changed');

  put(root, 'lib/code', 'two\n');
  assert.equal(await isStale(), true);
  const second = await prepareIn(lab, root, guest);
  assert.deepEqual(second.submodules, ['lib', 'lib/nested']);
  assertSame();
  assert.equal(await isStale(), false);
  commitAll(scratch, join(root, 'lib'), 'two');
  put(root, 'lib/nested/deep', 'two\n');
  await prepareIn(lab, root, guest);
  assertSame();
  commitAll(scratch, root, 'with the new lib');
  await prepareIn(lab, root, guest);
  assertSame();

  const changes = (): Promise<string> => workspaceChanges(lab.client, 'web', { guestPath: guest, signal });
  assert.equal(await changes(), 'none');
  put(guest, 'lib/nested/deep', 'guest\n');
  assert.equal(await changes(), 'unexported', 'of a submodule in a submodule');
  put(root, 'lib/nested/deep', 'host\n');
  put(root, 'top', 'host\n');
  assert.deepEqual(await refusedPathsIn(lab, root, guest), ['lib/nested/deep']);
  assert.equal(readFileSync(join(guest, 'top'), 'utf8'), 'top\n', 'nothing was changed');
  await prepareIn(lab, root, guest, { discardGuest: true });
  assertSame();

  const allow = ['-c', 'protocol.file.allow=always'];
  scratch.git(root, ...allow, 'submodule', '--quiet', 'update', '--init', 'unused');
  assert.equal(await isStale(), true, 'a submodule was initialised');
  await prepareIn(lab, root, guest);
  assertSame();
  assertSameToGit(scratch, join(root, 'unused'), join(guest, 'unused'));
});

/** Makes a repository of the kind `name` from `origin`, and returns its working tree. */
const KINDS: Readonly<Record<string, (origin: string, name: string) => string>> = {
  'SHA-256 objects': (_, name) => {
    const root = scratch.init(name, '--object-format=sha256');
    put(root, 'file', 'one\n');
    put(root, 'folder/other', 'one\n');
    commitAll(scratch, root, 'first');
    return root;
  },
  'a partial clone without old files': (origin, name) => clone(origin, name, '--filter=blob:none'),
  'a partial clone without old folders': (origin, name) => clone(origin, name, '--filter=tree:0'),
  'a shallow clone': (origin, name) => clone(origin, name, '--depth=1'),
  'a sparse checkout': (origin, name) => {
    const root = clone(origin, name);
    scratch.git(root, 'sparse-checkout', 'set', '--cone');
    return root;
  },
  'a linked working tree of a bare repository': (origin, name) => {
    clone(origin, `${name}.git`, '--bare');
    scratch.git(join(scratch.dir, `${name}.git`), 'worktree', 'add', '-q', join(scratch.dir, name), 'main');
    return join(scratch.dir, name);
  },
};

function clone(origin: string, name: string, ...args: string[]): string {
  scratch.git(scratch.dir, 'clone', '-q', ...args, `file://${origin}`, join(scratch.dir, name));
  return join(scratch.dir, name);
}

for (const [at, [kind, make]] of Object.entries(KINDS).entries()) {
  test(`${kind}: a second copy sends commits and edits, and fetches nothing`, async () => {
    const origin = scratch.init(`origin${at}`);
    scratch.git(origin, 'config', 'uploadpack.allowFilter', 'true');
    for (const content of ['first', 'second', 'third']) {
      put(origin, 'file', `${content}\n`);
      put(origin, 'folder/other', `${content}\n`);
      commitAll(scratch, origin, content);
    }
    const root = make(origin, `kind${at}`);
    const guest = join(lab.dir, `kind${at}`);
    await prepareIn(lab, root, guest);
    const missing = (): string =>
      scratch
        .git(root, 'rev-list', '--objects', '--missing=print', 'HEAD')
        .toString()
        .replace(/^[^?].*\n/gm, '');
    const before = missing();
    put(root, 'file', 'edited\n');
    commitAll(scratch, root, 'edited');
    put(root, 'file', 'edited twice\n');
    put(root, 'new', 'new\n');
    scratch.git(root, 'add', 'new');
    await prepareIn(lab, root, guest);
    assert.equal(missing(), before);
    assert.equal((await lab.client.showVm('web', { withHost: true, signal })).workspace?.isStale, false);
    for (const args of [['status', '--porcelain=v2', '--branch'], ['diff'], ['log', '--format=%H %s']]) {
      const ask = (where: string): string => scratch.git(where, ...args).toString();
      assert.equal(ask(guest), ask(root), args.join(' '));
    }
    assert.equal(exported(guest), '');
    scratch.git(guest, 'fsck');
  });
}
