import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../helpers/scratch-repository.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

describe('the folder and the arguments of commands', { concurrency: false }, () => {
  let lab: Lab;
  let scratch: Scratch;
  let repo: string;
  let head: string;

  before(async () => {
    lab = await openLab();
    scratch = makeScratch();
    repo = scratch.init('repo');
    put(repo, 'web/file', 'content\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
    head = scratch.git(repo, 'rev-parse', 'HEAD').toString();
    mkdirSync(join(repo, 'untracked'));
    await lab.text(['vm', 'run', '-d', '--name', 'web', ...SMALL, repo]);
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  test('vm ssh passes several words on unchanged, and one word to the shell', async () => {
    const ssh = (...words: string[]): Promise<string> => lab.text(['vm', 'ssh', 'web', '--', ...words]);
    assert.equal(await ssh('sh', '-c', 'cd /root/repo && git rev-parse HEAD'), head);
    assert.equal(await ssh('printf', '[%s]', 'a b', '$HOME', "it's"), "[a b][$HOME][it's]");
    assert.equal(await ssh('cd /root/repo && git rev-parse HEAD'), head);
    assert.equal(await ssh('pwd'), '/root\n');
  });

  test('a login shell of vm ssh starts in the workspace, in the folder that matches ours', async () => {
    const pwd = async (cwd: string): Promise<string[]> => {
      const ran = await lab.run(['vm', 'ssh', 'web'], { cwd, input: Buffer.from('pwd\n') });
      assert.equal(ran.code, 0, ran.stderr);
      const said = ran.stderr.split('\n').filter((line) => line.includes('folder'));
      return [ran.stdout.toString().trim(), ...said];
    };
    assert.deepEqual(await pwd(scratch.dir), ['/root/repo']);
    assert.deepEqual(await pwd(join(repo, 'web')), ['/root/repo/web']);
    const notice = 'the VM has no folder /root/repo/untracked; starting in /root/repo';
    assert.deepEqual(await pwd(join(repo, 'untracked')), ['/root/repo', notice]);
  });

  test('vm exec starts in the folder that matches ours; vm run takes --env and --workdir', async () => {
    assert.equal(await lab.text(['vm', 'exec', 'web', '--', 'ls'], { cwd: join(repo, 'web') }), 'file\n');
    const ran = await lab.run(['vm', 'exec', 'web', '--', 'pwd'], { cwd: join(repo, 'untracked') });
    assert.equal(ran.stdout.toString(), '/root/repo\n');
    assert.match(ran.stderr, /^the VM has no folder \/root\/repo\/untracked; starting in \/root\/repo$/m);
    const command = ['--', 'sh', '-c', 'echo $A; pwd'];
    const run = (...words: string[]): Promise<string> =>
      lab.text(['vm', 'run', '--rm', ...SMALL, '-e', 'A=a b', ...words, ...command], {
        cwd: join(repo, 'web'),
      });
    assert.equal(await run('.'), 'a b\n/root/repo/web\n');
    assert.equal(await run('-w', '/srv'), 'a b\n/srv\n');
  });

  test('each copy of a fork knows its index', async () => {
    const said = await lab.text([
      ...['vm', 'fork', 'web', '-n', '2', '--rm', '-e', 'OF=2', '--'],
      ...['sh', '-c', 'echo "$BANGER_FORK_INDEX of $OF in $PWD"'],
    ]);
    assert.deepEqual(said.trimEnd().split('\n').sort(), [
      'web-1 | 0 of 2 in /root/repo',
      'web-2 | 1 of 2 in /root/repo',
    ]);
  });
});
