import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type CliResult, FakeSignals, runCli } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

// The guest is an agent on this host.
const signal = neverAborts();

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
});

after(() => lab[Symbol.asyncDispose]());

const wait = (...argv: string[]): Promise<CliResult> =>
  runCli(['vm', 'wait', ...argv, 'box'], {
    env: lab.env,
    cwd: lab.dir,
    stdin: new PassThrough().end(),
    signals: new FakeSignals(),
  });

test('--for-port waits until something listens, also with an agent that cannot watch', async () => {
  for (const hasOldAgent of [false, true]) {
    lab.guests.hasOldAgent = hasOldAgent;
    lab.guests.ports = new Set([22]);
    let isListening = false;
    setTimeout(() => {
      isListening = true;
      lab.guests.ports?.add(8080);
    }, 300);
    const waited = await wait('--for-port', '8080');
    assert.deepEqual([waited.status, waited.stdout, isListening], [0, 'box: port 8080 open\n', true]);
  }
  const late = await wait('--for-port', '9', '--timeout', '200ms');
  assert.equal(late.status, 1);
  assert.match(
    late.stderr,
    /waiting for something in "box" to listen on port 9|something in "box" to listen on port 9/,
  );
});

test('--for-command tries a command again until it succeeds, and shows its last output when it does not', async () => {
  const file = join(lab.dir, 'there');
  const tried = join(lab.dir, 'tried');
  const script = `touch ${tried}; test -e ${file}`;
  const waiting = wait('--for-command', script);
  while (!existsSync(tried)) await new Promise((resolve) => setTimeout(resolve, 10));
  writeFileSync(file, '');
  const waited = await waiting;
  assert.deepEqual([waited.status, waited.stdout], [0, 'box: the command succeeds\n'], waited.stderr);
  const failed = await wait(
    '--for-command',
    'head -c 100000 /dev/zero; echo not yet; exit 3',
    '--timeout',
    '1s',
  );
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /did not succeed within 1 s; it last ended with status 3/);
  assert.match(failed.stderr, /its last output was: .*not yet/);
  assert.ok(failed.stderr.length < 4_000, 'the output that is shown is bounded');
});

test('wrong options are refused before anything is waited for', async () => {
  for (const [argv, said] of [
    [['--for-port', '70000'], /"70000" for --for-port: it is not a port/],
    [['--for-command', ' '], /for --for-command: it is empty/],
    [['--for-port', '80', '--until', 'stopped'], /Cannot use --for-port with --until stopped/],
  ] as const) {
    const ran = await wait(...argv);
    assert.equal(ran.status, 2, ran.stderr);
    assert.match(ran.stderr, said);
  }
});

test('vm run -d waits for a port and a command, and leaves the VM when they do not come', async () => {
  const run = (...argv: string[]): Promise<CliResult> =>
    runCli(['vm', 'run', '-d', ...argv], {
      env: lab.env,
      cwd: lab.dir,
      stdin: new PassThrough().end(),
      signals: new FakeSignals(),
    });
  lab.guests.hasOldAgent = false;
  lab.guests.ports = new Set();
  let isListening = false;
  const soon = setTimeout(() => {
    isListening = true;
    lab.guests.ports?.add(8080);
  }, 500);
  const ready = await run(
    '--name',
    'ready',
    '--wait-for-port',
    '8080',
    '--wait-for-command',
    'true',
    '--json',
  );
  clearTimeout(soon);
  assert.deepEqual([ready.status, isListening], [0, true], ready.stderr);
  const { timings } = JSON.parse(ready.stdout) as { timings: { waitMs: number; totalMs: number } };
  assert.ok(timings.waitMs > 0 && timings.waitMs <= timings.totalMs);
  const late = await run('--name', 'late', '--wait-for-command', 'echo why; exit 3', '--timeout', '1s');
  assert.equal(late.status, 125);
  assert.match(late.stderr, /did not succeed within 1.*last ended with status 3.*why/s);
  assert.match(late.stderr, /vm "late" is still running/);
  assert.equal((await lab.client.showVm('late', { signal })).state, 'running');
});
