import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assertSameToGit, makeScratch, put, type Scratch, sendTo } from '../../helpers/scratch-repository.ts';

const text = (output: Buffer): string => output.toString('latin1').trim();

function commit(scratch: Scratch, root: string, name: string, content = `${name}\n`): void {
  put(root, name, content);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', `commit ${name}`);
}

/** A clone of a repository with a branch `feature` that `origin/main` and `main` have left behind. */
function divergedClone(scratch: Scratch): string {
  const origin = scratch.init('origin');
  commit(scratch, origin, 'one');
  const root = join(scratch.dir, 'clone');
  scratch.git(scratch.dir, 'clone', '-q', origin, root);
  scratch.git(root, 'config', 'user.name', 'A U Thor');
  scratch.git(root, 'config', 'user.email', 'author@example.com');
  scratch.git(root, 'checkout', '-q', '-b', 'feature', '--track', 'origin/main');
  commit(scratch, root, 'mine');
  commit(scratch, origin, 'two');
  commit(scratch, origin, 'three');
  scratch.git(root, 'fetch', '-q');
  return root;
}

test('a branch, its upstream and the default branch can be compared in the guest', async () => {
  using scratch = makeScratch();
  const root = divergedClone(scratch);
  scratch.git(root, 'checkout', '-q', '-b', 'unrelated', 'HEAD~1');
  commit(scratch, root, 'secret plan');
  scratch.git(root, 'checkout', '-q', 'feature');
  put(root, 'mine', 'stashed\n');
  scratch.git(root, 'stash', '-q');
  put(root, 'one', 'edited\n');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  for (const args of [
    ['log', '--oneline', 'origin/main...'],
    ['diff', 'main...origin/main'],
    ['rev-parse', 'origin/HEAD', '@{upstream}', 'main'],
    ['merge-base', 'HEAD', 'origin/main'],
  ]) {
    assert.equal(text(scratch.git(guest, ...args)), text(scratch.git(root, ...args)), args.join(' '));
  }
  assert.equal(text(scratch.git(guest, 'stash', 'list')), '');
  assert.equal(text(scratch.git(guest, 'branch', '--list', 'unrelated')), '');
  scratch.git(guest, 'fsck', '--strict', '--no-dangling');
});

test('an unfinished merge with conflicts is the same, and can be finished in the guest', async () => {
  using scratch = makeScratch();
  const root = divergedClone(scratch);
  commit(scratch, root, 'two', 'other\n');
  assert.equal(spawnSync('git', ['merge', 'origin/main'], { cwd: root, env: scratch.env }).status, 1);
  put(root, 'mine', 'edited meanwhile\n');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  put(guest, 'two', 'resolved\n');
  scratch.git(guest, 'add', 'two');
  scratch.git(guest, 'commit', '-q', '--no-edit');
  assert.equal(text(scratch.git(guest, 'log', '-1', '--format=%s %P')).split(' ').length > 3, true);
});

test('an unfinished rebase and cherry-pick can be continued in the guest', async () => {
  for (const [name, start, goOn] of [
    ['rebase', ['rebase', 'origin/main'], ['rebase', '--continue']],
    ['pick', ['cherry-pick', 'origin/main~1', 'origin/main'], ['cherry-pick', '--continue']],
  ] as const) {
    using scratch = makeScratch();
    const root = divergedClone(scratch);
    commit(scratch, root, 'two', `other ${name}\n`);
    commit(scratch, root, 'four');
    assert.notEqual(spawnSync('git', start, { cwd: root, env: scratch.env }).status, 0);
    const { guest } = await sendTo(scratch, root);
    assertSameToGit(scratch, root, guest);
    put(guest, 'two', 'resolved\n');
    scratch.git(guest, 'add', 'two');
    scratch.git(guest, '-c', 'core.editor=true', ...goOn);
    assert.equal(text(scratch.git(guest, 'status', '--porcelain')), '');
    assert.ok(existsSync(join(guest, name === 'pick' ? 'three' : 'four')));
  }
});

test('an unfinished bisect can be continued in the guest', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (let at = 0; at < 8; at += 1) commit(scratch, root, `file${at}`);
  scratch.git(root, 'bisect', 'start', 'HEAD', 'HEAD~6');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  assert.equal(text(scratch.git(guest, 'bisect', 'good')), text(scratch.git(root, 'bisect', 'good')));
});

test('notes and replaced commits show in the log of the guest', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  for (let at = 0; at < 4; at += 1) commit(scratch, root, `file${at}`);
  scratch.git(root, 'notes', 'add', '-m', 'noted', 'HEAD~1');
  scratch.git(root, 'replace', '--graft', 'HEAD~1', 'HEAD~3');
  const { guest } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  assert.equal(text(scratch.git(guest, 'rev-list', '--count', 'HEAD')), '3');
  assert.match(text(scratch.git(guest, 'log')), /noted/);
});

test('settings of the user and the repository are sent, but no credentials and programs', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  commit(scratch, root, 'file');
  scratch.git(root, 'config', '--unset', 'user.name');
  scratch.git(root, 'config', '--unset', 'user.email');
  writeFileSync(
    join(scratch.home, '.gitconfig'),
    `[user]
	name = "Ünï \\"Quoted\\" # not a comment"
	email = global@example.com
	signingKey = SECRETKEY
[diff]
	noprefix
	external = /bin/false
[diff "lines"]
	xfuncname = "^x\\\\.(.*)$"
	textconv = secret-program
[alias]
	x = !secret-alias
[credential]
	helper = secret-helper
[http]
	extraHeader = secret-header
[commit]
	gpgSign = true
[url "https://secret-token@example.com/"]
	insteadOf = short:
`,
  );
  scratch.git(root, 'config', 'remote.origin.url', 'https://user:secret-password@example.com/a/b.git');
  scratch.git(root, 'config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*');
  scratch.git(root, 'config', '--add', 'remote.origin.fetch', '+refs/pull/*:refs/remotes/origin/pull/*');
  put(root, 'file', 'edited\n');
  const { guest } = await sendTo(scratch, root);
  const config = readFileSync(join(guest, '.git/config'), 'utf8');
  assert.doesNotMatch(config, /secret/i);
  assert.equal(text(scratch.git(guest, 'config', 'remote.origin.url')), 'https://example.com/a/b.git');
  assert.equal(text(scratch.git(guest, 'config', '--get-all', 'remote.origin.fetch')).split('\n').length, 2);
  writeFileSync(join(scratch.home, '.gitconfig'), '');
  assert.match(text(scratch.git(guest, 'diff')), /^diff --git file file/);
  scratch.git(guest, 'commit', '-q', '-a', '-m', 'in the guest');
  assert.equal(
    scratch.git(guest, 'log', '-1', '--format=%an <%ae>').toString().trim(),
    'Ünï "Quoted" # not a comment <global@example.com>',
  );
});

test('ignore rules and attributes of the user and the repository apply in the guest', async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  mkdirSync(join(scratch.home, '.config/git'), { recursive: true });
  writeFileSync(join(scratch.home, '.config/git/ignore'), '\ufeff*.swp\n!keep.tmp');
  writeFileSync(join(scratch.home, '.config/git/attributes'), '*.crlf text eol=crlf\n*.weak -text');
  writeFileSync(join(root, '.git/info/exclude'), '*.tmp\n');
  writeFileSync(join(root, '.git/info/attributes'), '*.dat binary\n');
  put(root, '.gitattributes', '*.weak text eol=crlf\n');
  put(root, 'a.crlf', 'one\r\ntwo\r\n');
  put(root, 'b.weak', 'one\r\ntwo\r\n');
  put(root, 'c.dat', 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'x');
  put(root, 'c.dat', 'two\n');
  put(root, 'x.swp');
  put(root, 'keep.tmp');
  const { guest, summary } = await sendTo(scratch, root);
  assertSameToGit(scratch, root, guest);
  assert.equal(summary.untrackedCount, 0);
  writeFileSync(join(scratch.home, '.config/git/ignore'), '');
  writeFileSync(join(scratch.home, '.config/git/attributes'), '');
  const names = ['x.swp', 'keep.tmp', 'y.txt'];
  for (const name of names) put(guest, name);
  assert.equal(text(scratch.git(guest, 'check-ignore', 'x.swp', 'keep.tmp')), 'x.swp\nkeep.tmp');
  put(guest, 'a.crlf', 'one\r\ntwo\r\n');
  put(guest, 'b.weak', 'one\r\ntwo\r\n');
  assert.equal(text(scratch.git(guest, 'status', '--porcelain')), 'M c.dat\n?? y.txt');
});
