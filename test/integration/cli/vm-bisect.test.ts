import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type CliLab, FakeSignals, openCliLab } from '../../support/cli/cli-harness.ts';
import { type FakeForks, serveForks } from '../../support/fakes/fake-forks.ts';
import { until } from '../../support/until.ts';

interface Report {
  firstBad?: { id: string; subject: string };
  candidates?: { id: string }[];
  tested: { commit: string; verdict: string; log: string }[];
}

/** The fake daemon runs the commands of all forks on this host, in one repository. */
describe('vm bisect', () => {
  let lab: CliLab;
  let scratch: Scratch;
  let repo: string;
  let forks: FakeForks;

  beforeEach(async () => {
    lab = await openCliLab();
    scratch = makeScratch();
    repo = scratch.init('repo');
    forks = serveForks(lab.daemon, lab.addVm('web', { workspace: { guestPath: repo, sourcePath: repo } }));
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const git = (...args: string[]): string =>
    scratch
      .git(repo, ...args)
      .toString()
      .trim();
  const bisect = (words: string[], command: string[], options = {}): ReturnType<CliLab['run']> =>
    lab.run(['vm', 'bisect', 'web', '--logs', join(lab.home, 'logs'), ...words, '--', ...command], options);

  /** Makes commits 1 to `count` on the current branch; `state` has the text for each. */
  function commits(count: number, state: (at: number) => string): void {
    for (let at = 1; at <= count; at += 1) {
      put(repo, 'number', `${at}\n`);
      put(repo, 'state', `${state(at)}\n`);
      git('add', '-A');
      git('commit', '-q', '-m', `change ${at}`);
    }
    git('tag', '-f', 'start', `HEAD~${count - 1}`);
  }
  const test1 = ['sh', '-c', 'echo $BANGER_BISECT_COMMIT; exit $(cat state)'];

  test('prints the first bad commit, having tested both ends first; forks go on from the last good one', async () => {
    commits(12, (at) => (at >= 9 ? '3' : '0'));
    const ran = await bisect(['start', 'HEAD'], test1);
    assert.equal(ran.status, 0, ran.stderr);
    assert.equal(ran.stdout, `${git('rev-parse', 'main~3')} change 9\n`);
    assert.match(ran.stderr, /^good \w{12} change 1 .*\nbad \w{12} change 12 {2}status 3/m);
    assert.deepEqual(
      forks.asked.slice(0, 3).map(({ of }) => of),
      ['web', 'web-1', 'web-1'],
    );
    assert.ok(
      forks.asked.slice(1).every(({ of }) => of !== 'web'),
      'copies of good forks',
    );
    assert.deepEqual(forks.left(), []);
    assert.ok(forks.mostAtOnce <= 2, `${forks.mostAtOnce} forks at once`);
  });

  test('--clean copies the VM itself each time, and --no-verify tests only what is between', async () => {
    commits(8, (at) => (at >= 5 ? '1' : '0'));
    const ran = await bisect(['start', 'main', '--clean', '--no-verify', '--json'], test1);
    const { firstBad, tested } = JSON.parse(ran.stdout) as Report;
    assert.equal(firstBad?.subject, 'change 5');
    assert.deepEqual([...new Set(forks.asked.map(({ of }) => of))], ['web']);
    assert.ok(tested.length <= 3, `${tested.length} tests`);
    assert.equal(readFileSync(tested[0]?.log ?? '', 'utf8'), `${tested[0]?.commit}\n`);
  });

  test('skips what cannot be tested, and says which commits are left when that hides the first bad one', async () => {
    commits(12, (at) => (at === 6 || at === 7 ? '125' : at >= 9 ? '1' : '0'));
    const ran = await bisect(['start', 'main', '--json'], test1);
    assert.equal((JSON.parse(ran.stdout) as Report).firstBad?.subject, 'change 9');
    git('checkout', '-q', '-f', 'main');
    commits(6, (at) => (at > 1 && at < 5 ? '125' : at >= 5 ? '1' : '0'));
    const hidden = await bisect(['start', 'main', '--json'], test1);
    assert.equal(hidden.status, 1);
    const { candidates = [] } = JSON.parse(hidden.stdout) as Report;
    const names = candidates.map(({ id }) => git('log', '-1', '--format=%s', id)).sort();
    assert.deepEqual(names, ['change 2', 'change 3', 'change 4', 'change 5']);
  });

  test('finds in a history with merges what git bisect run finds', async () => {
    commits(3, () => '0');
    git('checkout', '-q', '-b', 'side');
    for (const at of [1, 2, 3, 4]) {
      put(repo, 'side', `${at}\n`);
      if (at >= 3) put(repo, 'broken', '');
      git('add', '-A');
      git('commit', '-q', '-m', `side ${at}`);
    }
    git('checkout', '-q', 'main');
    put(repo, 'main', '1\n');
    git('add', '-A');
    git('commit', '-q', '-m', 'main 1');
    git('merge', '-q', '-m', 'merge', 'side');
    const ran = await bisect(['start', 'main'], ['sh', '-c', '! test -e broken']);
    git('checkout', '-q', '-f', 'main');
    for (const args of [
      ['start', 'main', 'start'],
      ['run', 'sh', '-c', '! test -e broken'],
    ])
      execFileSync('git', ['bisect', ...args], { cwd: repo, env: scratch.env });
    assert.equal(ran.stdout, `${git('rev-parse', 'refs/bisect/bad')} side 3\n`, ran.stderr);
  });

  test('refuses ends that are wrong, and a status that is no verdict', async () => {
    commits(4, (at) => (at === 3 ? '137' : '0'));
    const wrong = await bisect(['start', 'main'], test1);
    assert.deepEqual(
      [wrong.status, /at the bad commit \w+ the command succeeds/.test(wrong.stderr)],
      [125, true],
    );
    const stopped = await bisect(['start~0', 'main', '--no-verify'], ['sh', '-c', 'exit 137']);
    assert.match(stopped.stderr, /ended with status 137, which says neither/);
    const order = await bisect(['main', 'start'], test1);
    assert.deepEqual(
      [order.status, /is not older than the bad one/.test(order.stderr)],
      [2, true],
      order.stderr,
    );
    const same = await bisect(['main', 'main'], test1);
    assert.deepEqual([same.status, /is not older/.test(same.stderr)], [2, true], same.stderr);
    const unknown = await bisect(['v9', 'main'], test1);
    assert.match(unknown.stderr, /Cannot find the commit "v9".*\n.*--mode full_copy/);
    assert.equal((await bisect(['--', '--all', 'main'], test1)).status, 2);
    assert.equal((await bisect(['a..b', 'main'], test1)).status, 2);
    assert.deepEqual(forks.left(), []);
  });

  test('Ctrl-C deletes the forks', async () => {
    commits(4, () => '0');
    const signals = new FakeSignals();
    const ran = bisect(['start', 'main', '--no-verify'], ['sh', '-c', 'echo began; sleep 60'], { signals });
    await until(() => lab.daemon.guests.some(({ start }) => start.argv[0] === 'sh'), { what: 'a test' });
    signals.send('SIGINT');
    assert.equal((await ran).status, 130);
    assert.deepEqual(forks.left(), []);
    assert.equal(spawnSync('git', ['status'], { cwd: repo, env: scratch.env }).status, 0);
  });
});
