import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { openLab, SMALL } from './support/lab.ts';

test('git shows the same repository in the VM, whatever its names and edits are', async () => {
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
  await lab.nothingLeft();
});

test('untracked files are not sent but counted; a repository that cannot be sent is refused before a VM exists', async () => {
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

test('a detached VM has the branch, the edits and the untracked files; changes there are exported as a patch', async () => {
  await using lab = await openLab();
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = async (...args: string[]): Promise<string> =>
    (await exec(['git', '-C', repo, ...args], { signal: neverAborts() })).stdout.toString();
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.name', 'A Developer');
  await git('config', 'user.email', 'dev@localhost');
  await writeFile(join(repo, '.mise.toml'), '[tools]\n');
  await writeFile(join(repo, 'file'), 'one\n');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'First');
  const first = (await git('rev-parse', 'HEAD')).trim();
  await writeFile(join(repo, 'late'), 'late\n');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'Second');
  await writeFile(join(repo, 'file'), 'edited\n');
  await writeFile(join(repo, 'untracked'), 'new\n');

  const refused = await lab.run(['vm', 'run', '-d', ...SMALL, repo]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /tooling bootstrap requires --nat \(or pass --no-bootstrap to skip\)/);

  const branch = ['--branch', 'fix', '--from', first, '--include-untracked'];
  const made = await lab.run([
    'vm',
    'run',
    '-d',
    '--no-bootstrap',
    '--name',
    'web',
    ...SMALL,
    ...branch,
    repo,
  ]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(made.stdout.toString(), 'vm web running; reconnect with: banger vm ssh web\n');
  const inVm = async (script: string): Promise<string> =>
    lab.text(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
  assert.equal(
    await inVm('git status --porcelain --branch; mise trust --show'),
    '## fix\n M file\n?? untracked\n~/repo: trusted\n',
  );

  await inVm('git commit -qam "In the VM"; echo new >made; rm untracked; mkdir -p ~/.local/share/mise/shims');
  assert.match(await inVm('echo $PATH'), /^\/root\/\.local\/share\/mise\/shims:/);
  const plain = await lab.text(['vm', 'workspace', 'export', 'web']);
  assert.match(plain, /^\+new$/m);
  assert.doesNotMatch(plain, /edited/);
  const whole = await lab.text(['vm', 'workspace', 'export', 'web', '--base-commit', first]);
  assert.match(whole, /^\+edited$/m);
  assert.equal(await inVm('git status --porcelain'), '?? made\n');

  // The record has the HEAD of this host, not the branch of the guest.
  assert.equal((await lab.run(['vm', 'exec', 'web', '--', 'true'])).stderr, '');
  await git('commit', '-q', '--allow-empty', '-m', 'Third');
  assert.match(
    (await lab.run(['vm', 'exec', 'web', '--', 'true'])).stderr,
    /workspace stale: .*--auto-prepare/,
  );
  const anew = await lab.run([
    'vm',
    'exec',
    '--auto-prepare',
    'web',
    '--',
    'git',
    'log',
    '-1',
    '--format=%s',
  ]);
  assert.equal(anew.stdout.toString(), 'Third\n', anew.stderr);
  assert.equal((await lab.run(['vm', 'exec', 'web', '--', 'true'])).stderr, '');
});

test('a VM keeps its changes: a second copy sends what has changed here, and refuses to overwrite what has changed there', async () => {
  await using lab = await openLab();
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = async (...args: string[]): Promise<string> =>
    (await exec(['git', '-C', repo, ...args], { signal: neverAborts() })).stdout.toString();
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.name', 'A Developer');
  await git('config', 'user.email', 'dev@localhost');
  await writeFile(join(repo, 'code'), 'one\n');
  await writeFile(join(repo, 'other'), 'one\n');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'First');
  await lab.text(['vm', 'run', '-d', '--name', 'web', ...SMALL, repo]);
  const inVm = (script: string, ...words: string[]): Promise<string> =>
    lab.text(['vm', 'exec', ...words, 'web', '--', 'sh', '-c', script]);

  // New code is run, though HEAD is the same.
  await writeFile(join(repo, 'code'), 'two\n');
  const stale = await lab.run(['vm', 'exec', 'web', '--', 'cat', 'code']);
  assert.deepEqual([stale.stdout.toString(), stale.code], ['one\n', 0]);
  assert.match(stale.stderr, /workspace stale: files in .* have changed .*--auto-prepare/);
  assert.equal(await inVm('cat code', '--auto-prepare'), 'two\n');
  assert.equal((await lab.run(['vm', 'exec', 'web', '--', 'true'])).stderr, '');

  await inVm('echo guest >code; echo guest >other; echo new >made');
  await writeFile(join(repo, 'code'), 'three\n');
  const asJson = await lab.run(['vm', 'workspace', 'prepare', 'web', repo, '--json']);
  assert.match(asJson.stdout.toString(), /"paths":\s*\[\s*"code"\s*\]/);
  const refused = await lab.run(['vm', 'workspace', 'prepare', 'web', repo]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /1 path: "code"/);
  assert.match(refused.stderr, /workspace pull web.*prepare web --discard-guest/);
  assert.equal(await inVm('cat code other made'), 'guest\nguest\nnew\n');
  await lab.text(['vm', 'workspace', 'prepare', 'web', repo, '--discard-guest']);
  assert.equal(
    await inVm('cat code other made; git status --porcelain'),
    'three\none\nnew\n M code\n?? made\n',
  );

  await inVm('echo four >>other; git commit -qam "In the VM"; git log --format=%s');
  const patch = await lab.text(['vm', 'workspace', 'export', 'web']);
  await exec(['git', '-C', repo, 'apply'], { signal: neverAborts(), input: patch });
  assert.equal(await readFile(join(repo, 'other'), 'utf8'), 'one\nfour\n');
  // What was exported is on the host: its commit may go.
  assert.equal(await inVm('git log --format=%s; cat other', '--auto-prepare'), 'First\none\nfour\n');
  await lab.text(['vm', 'delete', '-f', 'web']);
});
