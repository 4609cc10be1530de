import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type Lab, openLab, SMALL } from '../support/lab.ts';

/** In order: each scenario begins with the VM as the one before has left it. */
describe('workspaces', { concurrency: false }, () => {
  let lab: Lab;
  let scratch: Scratch;
  let repo: string;

  before(async () => {
    lab = await openLab();
    scratch = makeScratch();
    repo = scratch.init('repo');
    put(repo, 'smoke-file.txt', 'smoke-workspace-marker\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const inVm = (script: string): Promise<string> =>
    lab.text(['vm', 'exec', 'smoke-workspace', '--', 'sh', '-c', script]);
  const exported = async (...words: string[]): Promise<string> => {
    const file = join(scratch.dir, 'patch');
    rmSync(file, { force: true });
    await lab.text(['vm', 'workspace', 'export', 'smoke-workspace', '--output', file, ...words]);
    return readFileSync(file, 'utf8');
  };
  const prepare = (...words: string[]): Promise<string> =>
    lab.text(['vm', 'workspace', 'prepare', 'smoke-workspace', repo, ...words]);

  test('workspace_run', async () => {
    const ran = await lab.run([
      ...['vm', 'run', '--rm', ...SMALL, repo, '--', 'cat', '/root/repo/smoke-file.txt'],
    ]);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, 'smoke-workspace-marker\n']);
    await lab.nothingLeft();
  });

  test('workspace_dryrun', async () => {
    put(repo, 'untracked.txt', 'smoke-untracked-marker\n');
    const dry = await lab.text(['vm', 'run', '--dry-run', repo]);
    assert.match(dry, /^smoke-file\.txt$/m);
    assert.match(dry, /^mode: tracked only$/m);
    assert.doesNotMatch(dry, /untracked\.txt/);
    assert.deepEqual(await lab.leftovers(), []);
  });

  test('include_untracked', async () => {
    const see = ['cat', '/root/repo/untracked.txt'];
    const without = await lab.run(['vm', 'run', '--rm', ...SMALL, repo, '--', ...see]);
    assert.notEqual(without.code, 0);
    assert.match(without.stderr, /1 untracked file stays on the host/);
    const ran = await lab.run(['vm', 'run', '--rm', '--include-untracked', ...SMALL, repo, '--', ...see]);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, 'smoke-untracked-marker\n']);
    rmSync(join(repo, 'untracked.txt'));
  });

  test('workspace_export', async () => {
    await lab.text(['vm', 'create', '--name', 'smoke-workspace', ...SMALL]);
    await prepare();
    await inVm('echo smoke-export-marker >new-in-guest.txt');
    const patch = await exported();
    assert.match(patch, /new-in-guest\.txt/);
    assert.match(patch, /^\+smoke-export-marker$/m);
    assert.equal(await inVm('git status --porcelain'), '?? new-in-guest.txt\n', 'an export changes nothing');
    scratch.git(repo, 'apply', join(scratch.dir, 'patch'));
    assert.equal(readFileSync(join(repo, 'new-in-guest.txt'), 'utf8'), 'smoke-export-marker\n');
    rmSync(join(repo, 'new-in-guest.txt'));
    await inVm('rm new-in-guest.txt');
  });

  test('workspace_full_copy', async () => {
    for (let at = 0; at < 3; at += 1) scratch.git(repo, 'commit', '-q', '--allow-empty', '-m', `more ${at}`);
    await prepare('--mode', 'full_copy');
    assert.equal(await inVm('cat /root/repo/smoke-file.txt'), 'smoke-workspace-marker\n');
    assert.equal(await inVm('git log --format=%s'), scratch.git(repo, 'log', '--format=%s').toString());
  });

  test('workspace_basecommit', async () => {
    const head = scratch.git(repo, 'rev-parse', 'HEAD').toString().trim();
    await inVm('echo smoke-committed-marker >committed.txt; git add -A; git commit -qm "in the guest"');
    const sinceGuestHead = await exported('--base-commit', (await inVm('git rev-parse HEAD')).trim());
    assert.doesNotMatch(sinceGuestHead, /smoke-committed-marker/);
    const sinceHostHead = await exported('--base-commit', head);
    assert.match(sinceHostHead, /^\+smoke-committed-marker$/m);
    // Without a commit, a patch begins at the tree that was copied, so what the guest committed is in it,
    // too.
    assert.match(await exported(), /^\+smoke-committed-marker$/m);
  });

  test('workspace_restart', async () => {
    await inVm('echo smoke-restart-marker >kept.txt');
    await lab.text(['vm', 'stop', 'smoke-workspace']);
    await lab.text(['vm', 'start', 'smoke-workspace']);
    assert.equal(await inVm('cat kept.txt smoke-file.txt'), 'smoke-restart-marker\nsmoke-workspace-marker\n');
    await inVm('rm kept.txt; git reset -q --hard HEAD~1');
  });

  test('vm_exec', async () => {
    const path = await lab.text(['vm', 'show', 'smoke-workspace', '--format', '.workspace.guestPath']);
    assert.equal(path, '/root/repo\n');
    assert.equal(await lab.text(['vm', 'exec', 'smoke-workspace', '--', 'pwd']), '/root/repo\n');
    const ran = await lab.run(['vm', 'exec', 'smoke-workspace', '--', 'sh', '-c', 'exit 17']);
    assert.deepEqual([ran.code, ran.stderr], [17, '']);

    put(repo, 'smoke-file.txt', 'smoke-second-marker\n');
    scratch.git(repo, 'commit', '-q', '-am', 'second');
    const see = ['smoke-workspace', '--', 'cat', 'smoke-file.txt'];
    const stale = await lab.run(['vm', 'exec', ...see]);
    assert.match(stale.stderr, /workspace stale/);
    assert.match(stale.stderr, /--auto-prepare/);
    assert.equal(stale.stdout.toString(), 'smoke-workspace-marker\n');
    const fresh = await lab.run(['vm', 'exec', '--auto-prepare', ...see]);
    assert.equal(fresh.stdout.toString(), 'smoke-second-marker\n', fresh.stderr);
    const again = await lab.run(['vm', 'exec', ...see]);
    assert.deepEqual([again.stdout.toString(), again.stderr], ['smoke-second-marker\n', '']);

    await lab.text(['vm', 'stop', 'smoke-workspace']);
    const stopped = await lab.run(['vm', 'exec', ...see]);
    assert.notEqual(stopped.code, 0);
    assert.match(stopped.stderr, /vm "smoke-workspace" is not running \(state: stopped\)/);
    await lab.text(['vm', 'delete', 'smoke-workspace']);
    await lab.nothingLeft();
  });
});
