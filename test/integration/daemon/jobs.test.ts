import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { Job } from '../../../src/protocol/api/jobs.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type CliResult, FakeSignals, runCli } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

// The guest is an agent on this host.
const signal = neverAborts();

let lab: DaemonLab;
let daemon: LabDaemon;

before(async () => {
  lab = await openDaemonLab();
  daemon = await lab.start();
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
});

after(async () => {
  for (const { id, state } of (await lab.client.listJobs('box', { signal })).jobs) {
    if (state === 'running') await lab.client.killJob('box', id, { signal });
  }
  await lab[Symbol.asyncDispose]();
});

const banger = (argv: readonly string[], signals = new FakeSignals()): Promise<CliResult> =>
  runCli(['vm', ...argv], { env: lab.env, cwd: lab.dir, stdin: new PassThrough().end(), signals });

const start = async (script: string, timeoutMs?: number): Promise<Job> =>
  await lab.client.startJob('box', shell(script), { signal, timeoutMs });

const jobOf = async (id: string): Promise<Job | undefined> =>
  (await lab.client.listJobs('box', { signal })).jobs.find((one) => one.id === id);

test('a job outlives the daemon, and is read again by its cursor: every byte once', async () => {
  const { id } = await start('for i in 1 2 3; do echo "out $i"; echo "err $i" >&2; done; sleep 300');
  await until(async () => (await jobOf(id))?.cursor === '36');
  const first = await banger(['job', 'logs', 'box', id]);
  assert.deepEqual(
    [first.status, first.stdout, first.stderr.replace(/^warning: the daemon is build .*\n/, '')],
    [0, 'out 1\nout 2\nout 3\n', 'err 1\nerr 2\nerr 3\ncontinue with: --after 36\n'],
  );
  await daemon[Symbol.asyncDispose]();
  daemon = await lab.start();
  const again = await banger(['job', 'logs', '--json', '--after', '30', 'box', id.slice(0, 7)]);
  const { output, cursor, droppedBytes, exit } = JSON.parse(again.stdout);
  const bytes = output.map((one: { bytes: string }) => one.bytes).join('').length;
  assert.deepEqual([bytes, cursor, droppedBytes, exit], [6, '36', 0, undefined]);
  const killed = await banger(['job', 'kill', 'box', id]);
  assert.deepEqual([killed.status, killed.stdout], [0, `job ${id}: SIGTERM\n`], killed.stderr);
  assert.match((await banger(['jobs', 'box'])).stdout, new RegExp(`^${id} +SIGTERM .* sh -c `, 'm'));
});

test('attach follows a job to its status, and Ctrl-C leaves it running', async () => {
  const { id } = await start('echo begun; while :; do sleep 0.02; done');
  const signals = new FakeSignals();
  const attached = banger(['attach', 'box', id], signals);
  await until(async () => (await jobOf(id))?.cursor === '6' && signals.listenerCount('SIGINT') > 0);
  setTimeout(() => signals.send('SIGINT'), 300);
  const cut = await attached;
  assert.equal(cut.status, 130);
  const [, cursor = ''] = /vm attach --after (\d+) box/.exec(cut.stderr) ?? [];
  assert.equal(Number(cursor), cut.stdout.length, cut.stderr);
  assert.equal((await jobOf(id))?.state, 'running');
  const rest = banger(['attach', '--after', cursor, 'box', id]);
  await banger(['job', 'kill', '--signal', 'INT', 'box', id]);
  const ended = await rest;
  assert.equal(ended.status, 128 + 2, ended.stderr);
  assert.equal(cut.stdout + ended.stdout, 'begun\n');
  const limited = await start('sleep 300', 200);
  const timedOut = await banger(['attach', 'box', limited.id]);
  assert.deepEqual([timedOut.status, /longer than its time limit/.test(timedOut.stderr)], [124, true]);
});

test('output that the guest dropped is counted in a warning', async () => {
  const { id } = await start('head -c 9000000 /dev/zero');
  await until(async () => (await jobOf(id))?.state === 'ended');
  const read = await banger(['attach', 'box', id]);
  const [, dropped = ''] = /(\d+) bytes of older output are missing here/.exec(read.stderr) ?? [];
  assert.equal(Number(dropped) + read.stdout.length, 9_000_000, read.stderr);
  const { keptBytes, droppedBytes } = (await jobOf(id)) ?? {};
  assert.deepEqual([keptBytes, droppedBytes], [read.stdout.length, Number(dropped)]);
});

test('errors name what to do', async () => {
  const { id } = await start('true');
  await until(async () => (await jobOf(id))?.state === 'ended');
  const user = String(process.geteuid?.());
  for (const [argv, status, said] of [
    [['exec', '-d', '-u', user, 'box', '--', 'no-such-program'], 127, /no-such-program: command not found/],
    [['exec', '-d', '-u', user, 'box', '--', '/etc/passwd'], 126, /permission denied/],
    [['exec', '-d', '-t', 'box', '--', 'true'], 2, /Cannot use --tty with --detach/],
    [['attach', 'box', 'ffffffff'], 125, /no such job\n.*banger vm jobs box/s],
    [['attach', 'box', '../x'], 125, /ids are hex digits/],
    [['job', 'logs', '--after', '99', 'box', id], 1, /the cursor is not one of this job/],
    [['job', 'logs', '-f', '--json', 'box', id], 2, /Cannot use --json with --follow/],
    [['job', 'kill', 'box', id], 1, /the job has ended/],
    [['jobs', 'nowhere'], 1, /nowhere/],
  ] as const) {
    const ran = await banger(argv);
    assert.equal(ran.status, status, `${argv.join(' ')}: ${ran.stderr}`);
    assert.match(ran.stdout + ran.stderr, said);
  }
});
