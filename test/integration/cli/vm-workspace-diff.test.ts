import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MARK_SENT, READ_STATE } from '../../../src/protocol/workspace-state.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { type CliLab, FakeOutput, openCliLab } from '../../support/cli/cli-harness.ts';

/** The fake daemon runs a guest's commands on this host, so that a repository here is one of the guest. */
describe('what a guest changed', () => {
  let lab: CliLab;
  let scratch: Scratch;
  let guest: string;
  let host: string;

  beforeEach(async () => {
    lab = await openCliLab();
    scratch = makeScratch();
    host = scratch.init('host');
    put(host, 'src/file', 'one\n');
    put(host, 'other', 'one\n');
    scratch.git(host, 'add', '-A');
    scratch.git(host, 'commit', '-q', '-m', 'first');
    guest = scratch.init('guest');
    scratch.git(guest, 'pull', '-q', host, 'main');
    execFileSync('sh', ['-c', READ_STATE + MARK_SENT, 'mark', guest], { env: scratch.env });
    lab.addVm('web', { workspace: { guestPath: guest, sourcePath: host } });
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const diff = (...words: string[]): ReturnType<CliLab['run']> =>
    lab.run(['vm', 'workspace', 'diff', 'web', ...words]);

  async function change(): Promise<void> {
    put(guest, 'src/file', 'one\ntwo\n');
    scratch.git(guest, 'commit', '-q', '-a', '-m', 'second');
    rmSync(join(guest, 'other'));
    put(guest, 'src/new.bin', Buffer.from([0, 1, 2]));
  }

  test('is a patch in a pipe, of the named paths only', async () => {
    const none = await diff();
    assert.deepEqual([none.status, none.stdout], [0, '']);
    assert.match(none.stderr, /there are no changes/);
    await change();
    const { stdout, status } = await diff('src');
    assert.equal(status, 0);
    const applied = spawnSync('git', ['apply'], { cwd: host, env: scratch.env, input: stdout });
    assert.equal(applied.status, 0, applied.stderr.toString());
    assert.equal(readFileSync(join(host, 'other'), 'utf8'), 'one\n', 'not named');
    const rest = await diff('oth*');
    spawnSync('git', ['apply'], { cwd: host, env: scratch.env, input: rest.stdout });
    assert.deepEqual(treeOf(host), treeOf(guest));
  });

  test('is listed by lines, by names and as JSON', async () => {
    await change();
    const stat = await diff('--stat');
    assert.match(stat.stdout, /^ src\/file +\| {3}1 \+$/m);
    assert.match(stat.stdout, / 3 files changed, 1 insertion, 1 deletion\n$/);
    assert.equal((await diff('--name-status')).stdout, 'D\tother\nM\tsrc/file\nA\tsrc/new.bin\n');
    const files = JSON.parse((await diff('--json', 'src')).stdout) as { path: string; isBinary: boolean }[];
    assert.deepEqual(
      files.map(({ path, isBinary }) => [path, isBinary]),
      [
        ['src/file', false],
        ['src/new.bin', true],
      ],
    );
    assert.equal((await diff('--json', '--stat')).status, 2);
    const missing = await diff('--guest-path', '/nowhere/at/all');
    assert.match(missing.stderr, /Cannot compare "\/nowhere\/at\/all" of the guest: there is no such folder/);
  });

  test('has colours on a terminal, where the guest can neither hide nor forge a line', async () => {
    put(guest, 'src/file', 'one\n\u001b[2Jwiped\n');
    const stdout = new FakeOutput({ isTTY: true, columns: 100 });
    const ran = await lab.run(['vm', 'workspace', 'diff', 'web'], { stdout, env: { TERM: 'xterm' } });
    assert.equal(ran.status, 0);
    assert.ok(stdout.text.includes('\u001b[32m+^[[2Jwiped\u001b[39m\n'), stdout.text);
    assert.ok(stdout.text.includes('\u001b[36m@@ -1 +1,2 @@'), stdout.text);
  });

  test('its commits are a bundle that git fetches, and a series that git am applies', async () => {
    const bundle = join(lab.home, 'web.bundle');
    const exported = (...words: string[]): ReturnType<CliLab['run']> =>
      lab.run(['vm', 'workspace', 'export', 'web', '--commits', ...words]);
    const none = await exported('-o', bundle);
    assert.match(none.stderr, /there are no commits/);
    await change();
    scratch.git(guest, 'add', '-A');
    scratch.git(guest, 'commit', '-q', '-m', 'third');
    const done = await exported('-o', bundle);
    assert.equal(done.status, 0, done.stderr);
    scratch.git(host, 'bundle', 'verify', '-q', bundle);
    scratch.git(host, 'fetch', '-q', bundle, 'HEAD:web');
    assert.equal(scratch.git(host, 'log', '--format=%s', 'main..web').toString(), 'third\nsecond\n');
    const series = await exported('--format', 'am');
    const am = spawnSync('git', ['am', '-q'], { cwd: host, env: scratch.env, input: series.stdout });
    assert.equal(am.status, 0, am.stderr.toString());
    assert.deepEqual(treeOf(host), treeOf(guest));
  });

  test('commits of a repository that was not sent need a base', async () => {
    scratch.git(guest, 'update-ref', '-d', 'refs/banger/sent');
    const refused = await lab.run(['vm', 'workspace', 'export', 'web', '--commits', '--format', 'am']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /no working tree was copied there.*--base-commit SHA/s);
    const wrong = await lab.run(['vm', 'workspace', 'export', 'web', '--format', 'tar']);
    assert.equal(wrong.status, 2);
  });
});
