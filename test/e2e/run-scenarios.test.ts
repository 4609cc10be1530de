import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../helpers/scratch-repository.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

describe('vm run', { concurrency: false }, () => {
  let lab: Lab;
  let scratch: Scratch;

  before(async () => {
    lab = await openLab();
    scratch = makeScratch();
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  test('bare_run', async () => {
    const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, '--', 'echo', 'smoke-bare']);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, 'smoke-bare\n']);
    await lab.nothingLeft();
  });

  test('exit_code', async () => {
    const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, '--', 'sh', '-c', 'exit 42']);
    assert.equal(ran.code, 42);
  });

  test('concurrent_run', async () => {
    const words = ['one', 'two'];
    const runs = await Promise.all(
      words.map((word) => lab.run(['vm', 'run', '--rm', ...SMALL, '--', 'echo', word])),
    );
    assert.deepEqual(
      runs.map(({ code, stdout }) => [code, stdout.toString()]),
      words.map((word) => [0, `${word}\n`]),
    );
    await lab.nothingLeft();
  });

  test('detach_run', async () => {
    for (const words of [
      ['-d', '--rm'],
      ['-d', '--', 'true'],
    ]) {
      const refused = await lab.run(['vm', 'run', ...SMALL, ...words]);
      assert.equal(refused.code, 2, refused.stderr);
    }
    assert.deepEqual(await lab.leftovers(), []);
    const ran = await lab.run(['vm', 'run', '-d', '--name', 'smoke-detach', ...SMALL]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(
      ran.stdout.toString(),
      'vm smoke-detach running; reconnect with: banger vm ssh smoke-detach\n',
    );
    assert.equal(await lab.text(['vm', 'exec', 'smoke-detach', '--', 'echo', 'there']), 'there\n');
    const ssh = await lab.run(['vm', 'ssh', 'smoke-detach', '--', 'echo there; echo err >&2; exit 17']);
    assert.deepEqual([ssh.code, ssh.stdout.toString(), ssh.stderr], [17, 'there\n', 'err\n']);
    await lab.text(['vm', 'delete', 'smoke-detach']);
  });

  test('bootstrap_precondition', async () => {
    const repo = scratch.init('repo');
    put(repo, '.mise.toml', '[tools]\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'tools');
    const refused = await lab.run(['vm', 'run', '--rm', ...SMALL, repo, '--', 'true']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /tooling bootstrap requires --nat \(or pass --no-bootstrap to skip\)/);
    assert.deepEqual(await lab.leftovers(), []);
    const ran = await lab.run([
      'vm',
      'run',
      '--rm',
      '--no-bootstrap',
      ...SMALL,
      repo,
      '--',
      'cat',
      '.mise.toml',
    ]);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, '[tools]\n']);
  });
});
