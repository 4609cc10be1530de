import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type CliLab, FakeOutput, FakeSignals, openCliLab } from '../../support/cli/cli-harness.ts';
import { type FakeForks, serveForks } from '../../support/fakes/fake-forks.ts';
import { until } from '../../support/until.ts';

interface Report {
  counts: Record<string, number>;
  cells: {
    values: Record<string, string>;
    outcome: string;
    exitStatus?: number;
    log?: string;
    vm?: string;
  }[];
}

/** The fake daemon runs the commands of all forks on this host. */
describe('vm matrix', () => {
  let lab: CliLab;
  let scratch: Scratch;
  let repo: string;
  let forks: FakeForks;
  let logs: string;

  beforeEach(async () => {
    lab = await openCliLab();
    scratch = makeScratch();
    repo = scratch.init('repo');
    put(repo, 'file', 'one\n');
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
    forks = serveForks(lab.daemon, lab.addVm('web', { workspace: { guestPath: repo, sourcePath: repo } }));
    logs = join(lab.home, 'logs');
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const matrix = (words: string[], script: string, options = {}): ReturnType<CliLab['run']> =>
    lab.run(['vm', 'matrix', 'web', '--logs', logs, ...words, '--', 'sh', '-c', script, '{a}'], options);

  test('runs each combination in a fork of its own, with its values, and deletes the forks', async () => {
    const words = ['--over', 'a=1,2', '--over', 'b=x,y', '-e', 'C=3', '-j', '4', '--json'];
    const ran = await matrix(words, 'echo $0 $a $b $C $BANGER_MATRIX_INDEX; pwd; test $a$b != 2x');
    assert.equal(ran.status, 1, ran.stderr);
    const { cells, counts } = JSON.parse(ran.stdout) as Report;
    assert.deepEqual(counts, { passed: 3, failed: 1, error: 0, cancelled: 0 });
    assert.deepEqual(
      cells.map(({ values, outcome }) => `${values['a']}${values['b']} ${outcome}`),
      ['1x passed', '1y passed', '2x failed', '2y passed'],
    );
    assert.equal(cells[2]?.exitStatus, 1);
    assert.equal(readFileSync(cells[2]?.log ?? '', 'utf8'), `2 2 x 3 2\n${repo}\n`);
    assert.match(ran.stderr, /failed {2}a=2 b=x {2}status 1/);
    assert.match(ran.stderr, /last lines of a=2 b=x:\n\| 2 2 x 3 2\n/);
    assert.deepEqual(forks.asked, [{ of: 'web', count: 4 }]);
    assert.deepEqual(forks.left(), []);
  });

  test('runs as many at a time as it may; later forks are copies of one in which nothing ran', async () => {
    const ran = await matrix(['--over', 'a=1,2,3,4,5', '-j', '2'], 'echo $a');
    assert.equal(ran.status, 0, ran.stderr);
    assert.match(ran.stdout, /^A {2}RESULT {2}STATUS {2}TIME +LOG\n1 {2}passed +0 +\S+ s +\S+000-a=1\.log\n/);
    assert.deepEqual(forks.asked[0], { of: 'web', count: 3 });
    assert.deepEqual(
      new Set(forks.asked.slice(1).map(({ of, count }) => `${of} ${count}`)),
      new Set(['web-3 1']),
    );
    assert.equal(forks.asked.length, 4);
    assert.equal(forks.mostAtOnce, 3);
    assert.deepEqual(forks.left(), []);
    assert.equal(readdirSync(logs).length, 5);
  });

  test('ends at the first failure with --fail-fast, and keeps the fork that failed with --keep-failed', async () => {
    const words = ['--over', 'a=1,2,3', '-j', '2', '--fail-fast', '--keep-failed', '--json'];
    const ran = await matrix(words, 'test $a = 1 && exit 3; sleep 60');
    assert.equal(ran.status, 1, ran.stderr);
    const { cells } = JSON.parse(ran.stdout) as Report;
    assert.deepEqual(
      cells.map(({ outcome }) => outcome),
      ['failed', 'cancelled', 'cancelled'],
    );
    assert.deepEqual(forks.left(), [cells[0]?.vm]);
  });

  test('a command that cannot be started has failed, and a fork that cannot be made is a failure of banger', async () => {
    const argv = ['vm', 'matrix', 'web', '--logs', logs, '--over', 'a=1', '--', '/no/such/program'];
    const missing = await lab.run([...argv.slice(0, 5), '--json', ...argv.slice(5)]);
    assert.equal(missing.status, 1, missing.stderr);
    assert.equal((JSON.parse(missing.stdout) as Report).cells[0]?.exitStatus, 127);
    const refusing = serveForks(
      lab.daemon,
      lab.addVm('web', { workspace: { guestPath: repo, sourcePath: repo } }),
    );
    const seed = 'f00000000002';
    const ran = matrix(['--over', 'a=1,2', '-j', '1', '--json'], 'sleep 0.2');
    await until(() => lab.daemon.answers.has(`POST /v1/vms/${seed}/fork`), { what: 'the first forks' });
    lab.daemon.answers.set(`POST /v1/vms/${seed}/fork`, (_request, response) => void response.destroy());
    const { status, stdout } = await ran;
    assert.equal(status, 125);
    assert.deepEqual(
      (JSON.parse(stdout) as Report).cells.map(({ outcome }) => outcome),
      ['passed', 'error'],
    );
    assert.deepEqual(refusing.left(), []);
  });

  test('Ctrl-C deletes all forks, and ends with 130', async () => {
    const signals = new FakeSignals();
    const ran = matrix(['--over', 'a=1,2,3', '-j', '2'], 'echo began; sleep 60', { signals });
    await until(() => lab.daemon.guests.length === 2, { what: 'two commands to run' });
    signals.send('SIGINT');
    assert.equal((await ran).status, 130);
    assert.deepEqual(forks.left(), []);
  });

  test('--commits checks out each commit, without changes of tracked files', async () => {
    for (const text of ['two\n', 'three\n']) {
      put(repo, 'file', text);
      scratch.git(repo, 'commit', '-q', '-a', '-m', text.trim());
    }
    put(repo, 'file', 'changed\n');
    put(repo, 'built', 'yes\n');
    const ran = await matrix(
      ['--commits', 'HEAD~2..HEAD', '-j', '1', '--json'],
      'cat file built; test $commit = $(git rev-parse HEAD)',
    );
    assert.equal(ran.status, 0, ran.stderr);
    const { cells } = JSON.parse(ran.stdout) as Report;
    assert.deepEqual(
      cells.map(({ log }) => readFileSync(log ?? '', 'utf8')),
      ['two\nyes\n', 'three\nyes\n'],
    );
    const none = await matrix(['--commits', 'nowhere..HEAD'], 'true');
    assert.match(none.stderr, /Cannot find the commit "nowhere" in .*\n.*--mode full_copy/);
  });

  test('shows what runs on a terminal, below the results', async () => {
    const stderr = new FakeOutput({ isTTY: true });
    const ran = await matrix(['--over', 'a=1,2', '-j', '1'], 'true', { stderr });
    assert.equal(ran.status, 0);
    const shown = stderr.text.replaceAll('\u001b', '<');
    assert.match(shown, /running.* a=1 .*\n.*1 running, 1 waiting/);
    assert.match(shown, /<\[2A\r<\[J.*passed/, 'the lines that changed are replaced');
    assert.doesNotMatch(shown, /started/);
  });

  test('refuses bad values before anything is made', async () => {
    for (const [words, said] of [
      [['--over', 'a'], /it has no "="/],
      [['--over', 'a='], /a value is empty/],
      [['--over', '1a=x'], /does not begin with a digit/],
      [['--over', 'a=1,1'], /a value occurs twice/],
      [['--over', 'a=1', '--over', 'a=2'], /Cannot use the variable "a" twice/],
      [[], /Cannot make a matrix of nothing/],
      [['--over', 'a=1', '--jobs', '100'], /it is not a number from 1 to 99/],
      [['--commits', 'A...B'], /it is not a range of commits/],
      [['--commits=--all..HEAD'], /it is not a range of commits/],
    ] as const) {
      const ran = await matrix([...words], 'true');
      assert.equal(ran.status, 2, ran.stderr);
      assert.match(ran.stderr, said);
    }
    assert.deepEqual(lab.requestLines(), []);
  });
});
