import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
