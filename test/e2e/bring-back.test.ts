import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { openLab, SMALL } from './support/lab.ts';

test('what a VM makes of a repository comes back: as files, a diff, a merge that can be undone, a branch', async () => {
  await using lab = await openLab();
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = async (...args: string[]): Promise<string> =>
    (await exec(['git', '-C', repo, ...args], { signal: neverAborts() })).stdout.toString();
  const banger = async (...argv: string[]): Promise<string> => {
    const ran = await lab.run(argv);
    assert.equal(ran.code, 0, `${argv.join(' ')}: ${ran.stderr}`);
    return ran.stdout.toString();
  };
  const lines = Array.from({ length: 20 }, (_, at) => `line ${at}\n`);
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.name', 'A Developer');
  await git('config', 'user.email', 'dev@localhost');
  await writeFile(join(repo, 'both'), lines.join(''));
  await writeFile(join(repo, 'gone'), 'gone\n');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'First');
  await writeFile(join(repo, 'both'), lines.with(0, 'dirty\n').join(''));

  const inside = [
    'git config user.name x && git config user.email x@y',
    'sed -i s/line.18/guest/ both && rm gone && mkdir new && echo new >new/file',
    'git add -A && git commit -q -m "In the VM"',
    'mkdir dist && seq 1 50000 >dist/numbers && chmod 4755 dist/numbers',
    'echo dist >>.gitignore',
  ].join(' && ');
  const out = ['--out', 'dist/**', '--out-dir', 'artifacts'];
  await banger('vm', 'run', '--name', 'web', ...SMALL, ...out, 'repo', '--', 'sh', '-c', inside);
  assert.equal(
    (await readFile(join(lab.scratch, 'artifacts/dist/numbers'), 'utf8')).split('\n').length,
    50_001,
  );

  const changes = 'M\t.gitignore\n'.replace('M', 'A');
  const listed = await banger('vm', 'workspace', 'diff', 'web', '--name-status');
  assert.equal(listed, `${changes}M\tboth\nD\tgone\nA\tnew/file\n`);
  await writeFile(join(repo, 'both'), lines.with(0, 'dirty\n').with(5, 'host\n').join(''));
  const before = await readFile(join(repo, 'both'), 'utf8');
  await banger('vm', 'workspace', 'pull', 'web', '--apply');
  const merged = lines.with(0, 'dirty\n').with(5, 'host\n').with(18, 'guest\n').join('');
  assert.equal(await readFile(join(repo, 'both'), 'utf8'), merged);
  assert.equal(await git('status', '--porcelain'), ' M both\n D gone\n?? .gitignore\n?? new/\n');
  await banger('vm', 'workspace', 'pull', 'web', '--undo');
  assert.equal(await readFile(join(repo, 'both'), 'utf8'), before);
  assert.equal(await git('status', '--porcelain'), ' M both\n');
  await banger('vm', 'workspace', 'pull', 'web', '--branch', 'from-web');
  assert.equal(await git('log', '--format=%s', 'from-web'), 'In the VM\nFirst\n');
  await banger('vm', 'delete', '--force', 'web');
  await lab.nothingLeft();
});
