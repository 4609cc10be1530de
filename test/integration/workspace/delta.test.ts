import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stateCommand } from '../../../src/core/vms/workspace/guest-tree.ts';
import { applyCommand } from '../../../src/core/vms/workspace/update-workspace.ts';
import { inGuest, killers, sendDelta } from '../../helpers/guest-shell.ts';
import { assertSameToGit, filesUnder, makeScratch, put, sendTo } from '../../helpers/scratch-repository.ts';

test('a guest that is killed while it applies a delta has the old tree or, after the next look, the new one', async () => {
  using scratch = makeScratch();
  const { path, count } = killers(scratch);
  const outcomes = new Set<string>();
  for (let steps = 1, isKilled = true; isKilled; steps += 1) {
    const root = scratch.init(`repo${steps}`);
    for (const name of ['a', 'b', 'folder/c']) put(root, name, 'one\n');
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'first');
    const { guest } = await sendTo(scratch, root, { name: `guest${steps}` });
    const old = filesUnder(guest);
    put(root, 'a', 'two\n');
    put(root, 'deep/new', 'new\n');
    rmSync(join(root, 'b'));
    rmSync(join(root, 'folder/c'));
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'second');
    put(root, 'a', 'three\n');
    await sendDelta(scratch, root, guest);
    writeFileSync(count, `${steps}\n`);
    const env = { PATH: `${path}:${scratch.env['PATH']}` };
    const ran = inGuest(scratch, applyCommand(guest, 'apply'), { env });
    isKilled = ran.status !== 0;
    // The next prepare begins with this.
    const looked = inGuest(scratch, stateCommand(guest));
    assert.equal(looked.status, 0, looked.stderr);
    assert.equal(existsSync(join(guest, '.git/banger/meta')), false);
    if (readFileSync(join(guest, 'a'), 'utf8') === 'one\n') {
      outcomes.add('old');
      assert.deepEqual(filesUnder(guest), old);
      assert.equal(scratch.git(guest, 'status', '--porcelain').toString(), '');
      assert.equal(scratch.git(guest, 'log', '--format=%s').toString(), 'first\n');
    } else {
      outcomes.add(isKilled ? 'finished' : 'new');
      assertSameToGit(scratch, root, guest);
    }
    scratch.git(guest, 'fsck', '--strict');
    assert.ok(steps < 60, 'it ends at some time');
  }
  assert.deepEqual([...outcomes].sort(), ['finished', 'new', 'old']);
});

test('a working tree that belongs to a user of the guest still does after a delta', {
  skip: process.getuid?.() === 0 ? false : 'only root can give files away',
}, async () => {
  using scratch = makeScratch();
  const root = scratch.init('repo');
  put(root, 'a', 'one\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'first');
  const { guest } = await sendTo(scratch, root, { name: 'guest' });
  put(root, 'a', 'two\n');
  put(root, 'deep/new', 'new\n');
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '-m', 'second');
  // Root's git uses a repository of somebody else only when it is told to.
  const env = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' };
  await sendDelta(scratch, root, guest);
  execFileSync('chown', ['-hR', '4321:4322', guest]);
  execFileSync('chown', ['-hR', '0:0', join(guest, '.git/banger')]);
  const ran = inGuest(scratch, applyCommand(guest, 'apply'), { env });
  assert.equal(ran.status, 0, ran.stderr);
  assert.equal(readFileSync(join(guest, 'deep/new'), 'utf8'), 'new\n');
  assert.equal(execFileSync('find', [guest, '-not', '-user', '4321']).toString(), '');
  assert.equal(statSync(join(guest, '.git/index')).gid, 4322);
});
