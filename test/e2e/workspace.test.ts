import assert from 'node:assert/strict';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/exec.ts';
import { openLab, SMALL } from './support/lab.ts';

test('a repository is the same to git in the VM, whatever its names and edits are', async () => {
  await using lab = await openLab();
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = async (...args: string[]): Promise<Buffer> =>
    (await exec(['git', '-C', repo, ...args], { signal: neverAborts() })).stdout;
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.name', 'A Developer');
  await git('config', 'user.email', 'dev@localhost');
  const strange = Buffer.concat([Buffer.from(`${repo}/caf`), Buffer.from([0xe9, 0xff]), Buffer.from('.txt')]);
  await writeFile(join(repo, 'plain'), 'one\n');
  await writeFile(join(repo, 'gone'), 'gone\n');
  await writeFile(join(repo, 'with space'), 'two\n');
  await writeFile(join(repo, 'with\nnewline'), 'three\n');
  await writeFile(strange, 'four\n');
  await writeFile(join(repo, 'tool'), '#!/bin/sh\necho ran\n');
  await chmod(join(repo, 'tool'), 0o755);
  await symlink('plain', join(repo, 'link'));
  await writeFile(join(repo, '.gitignore'), 'ignored\n');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'First');
  await writeFile(join(repo, 'plain'), 'edited\n');
  await writeFile(join(repo, 'with\nnewline'), 'edited too\n');
  await writeFile(strange, 'edited as well\n');
  await rm(join(repo, 'gone'));
  await writeFile(join(repo, 'staged'), 'staged\n');
  await git('add', 'staged');
  await writeFile(join(repo, 'ignored'), 'stays\n');

  const inside =
    'git status --porcelain; git diff; git log --format="%H %s"; ./tool; readlink link; ls ignored 2>&1 | tail -c 10';
  const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, 'repo', '--', 'sh', '-c', inside]);
  assert.equal(ran.code, 0, ran.stderr);
  const outside = Buffer.concat([
    await git('status', '--porcelain'),
    await git('diff'),
    await git('log', '--format=%H %s'),
    Buffer.from('ran\nplain\ndirectory\n'),
  ]);
  assert.equal(
    ran.stdout.toString('latin1'),
    outside.toString('latin1').replace('directory\n', 'directory\n'),
  );
  assert.deepEqual(await lab.leftovers(), []);
});

test('untracked files stay behind and are counted; what cannot be sent is refused before a VM exists', async () => {
  await using lab = await openLab();
  const signal = neverAborts();
  const bare = join(lab.scratch, 'bare.git');
  await exec(['git', 'init', '-q', '--bare', bare], { signal });
  await mkdir(join(lab.scratch, 'plain'));
  for (const [path, message] of [
    [bare, /bare/],
    [join(lab.scratch, 'plain'), /git/],
    [join(lab.scratch, 'missing'), /missing/],
  ] as const) {
    const ran = await lab.run(['vm', 'run', '--rm', ...SMALL, path, '--', 'true']);
    assert.equal(ran.code, 2, ran.stderr);
    assert.match(ran.stderr, message);
  }
  assert.deepEqual(await lab.leftovers(), []);
});
