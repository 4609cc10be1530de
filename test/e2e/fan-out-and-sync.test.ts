import assert from 'node:assert/strict';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { until } from '../support/until.ts';
import { openLab, SMALL } from './support/lab.ts';

/** Numbers of inotify_init1(2) and inotify_add_watch(2), by the architecture of host and guest. */
const INOTIFY_CALLS: Readonly<Record<string, string>> = { x64: '294, 254', arm64: '26, 27' };

/** Prints `watching`, and then the names that the kernel says were written or moved into a folder. */
const WATCH = `
my ($init, $add) = (${INOTIFY_CALLS[process.arch]});
my $fd = syscall($init, 0); die "no inotify" if $fd < 0;
my $dir = "/root/repo\\0";
die "no watch" if syscall($add, $fd, $dir, 0x88) < 0;
open(my $in, "<&=", $fd) or die; $| = 1; print "watching\\n";
while (sysread($in, my $bytes, 65536)) {
  while (length $bytes) {
    my (undef, undef, undef, $length) = unpack("iIII", $bytes);
    my $name = unpack("Z*", substr($bytes, 16, $length)); print "event $name\\n";
    $bytes = substr($bytes, 16 + $length);
  }
}`;

test('one VM with a repository: a matrix of forks, a bisect in forks, edits as they are saved', async () => {
  await using lab = await openLab();
  const repo = join(lab.scratch, 'repo');
  await mkdir(repo);
  const git = async (...args: string[]): Promise<string> =>
    (await exec(['git', '-C', repo, ...args], { signal: neverAborts() })).stdout.toString();
  await git('init', '-q', '-b', 'main');
  await git('config', 'user.name', 'A Developer');
  await git('config', 'user.email', 'dev@localhost');
  const commits: string[] = [];
  for (const value of ['good 0', 'good 1', 'bad 2', 'bad 3']) {
    await writeFile(join(repo, 'value'), `${value}\n`);
    await git('add', '-A');
    await git('commit', '-q', '-m', value);
    commits.push((await git('rev-parse', 'HEAD')).trim());
  }
  const ready = ['vm', 'run', '-d', '--name', 'web', ...SMALL, '--wait-for-command', 'test -e value', 'repo'];
  await lab.text(ready);
  await lab.text([
    'vm',
    'exec',
    'web',
    '--',
    'sh',
    '-c',
    'echo built >/root/built; echo memory >/dev/shm/kept',
  ]);

  const script = 'echo $a-{a} $(cat /root/built /dev/shm/kept); echo $a >/root/built; test $a != 2';
  const words = ['--over', 'a=1,2', '--json', '--logs', 'logs', '--', 'sh', '-c', script];
  const matrix = await lab.run(['vm', 'matrix', 'web', ...words]);
  assert.equal(matrix.code, 1, matrix.stderr);
  const report = JSON.parse(matrix.stdout.toString()) as { cells: { outcome: string; log: string }[] };
  assert.deepEqual(
    report.cells.map(({ outcome }) => outcome),
    ['passed', 'failed'],
  );
  const logs = await Promise.all(report.cells.map(({ log }) => readFile(log, 'utf8')));
  assert.deepEqual(logs, ['1-1 built memory\n', '2-2 built memory\n']);
  assert.equal(await lab.text(['vm', 'exec', 'web', '--', 'cat', '/root/built']), 'built\n');

  const search = [...commits.slice(0, 1), ...commits.slice(-1), '--', 'grep', '-q', 'good', 'value'];
  const bisect = await lab.run(['vm', 'bisect', 'web', '--no-verify', '--json', ...search]);
  assert.equal(bisect.code, 0, bisect.stderr);
  assert.match(bisect.stdout.toString(), new RegExp(`"${commits[2]}"`));
  const names = (await lab.text(['vm', 'list', '--all', '--quiet'])).trim();
  assert.equal(names.split('\n').length, 1, 'no fork is left');

  const watching = lab.start(['vm', 'exec', 'web', '--', 'perl', '-e', WATCH]);
  await until(() => watching.stdout().includes('watching'));
  const sync = lab.start(['vm', 'workspace', 'sync', 'web', '--watch']);
  await until(() => sync.stderr().includes('Ctrl-C ends it'));
  await writeFile(join(repo, 'next'), 'saved as editors do\n');
  await rename(join(repo, 'next'), join(repo, 'value'));
  await until(() => watching.stdout().includes('event value'));
  await until(async () =>
    (await lab.text(['vm', 'exec', 'web', '--', 'cat', '/root/repo/value'])).startsWith('saved'),
  );

  await lab.text(['vm', 'exec', 'web', '--', 'sh', '-c', 'echo of the guest >value']);
  await writeFile(join(repo, 'value'), 'of the host\n');
  await until(() => /nothing is sent until you take these over/.test(sync.stderr()));
  assert.equal(await lab.text(['vm', 'exec', 'web', '--', 'cat', '/root/repo/value']), 'of the guest\n');
  sync.kill('SIGINT');
  assert.equal((await sync.done).code, 130);
  watching.kill('SIGKILL');
  await lab.text(['vm', 'delete', '--force', 'web']);
  await lab.nothingLeft();
});
