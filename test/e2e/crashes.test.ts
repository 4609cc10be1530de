import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { after, before, suite, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts, sleep } from '../../src/base/abort.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, type RunningCommand, SMALL } from './support/lab.ts';
import { importTinyImage, TINY, type TinyImage } from './support/tiny-image.ts';

const signal = neverAborts();

test('a VM outlives a killed daemon: the next command adopts it, with the same boot and the same files', async () => {
  await using lab = await openLab();
  await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  const bootId = ['vm', 'exec', 'box', '--', 'cat', '/proc/sys/kernel/random/boot_id'];
  const before = await lab.text(bootId);
  await lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', 'echo kept > /root/file']);
  const script = 'i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo "line $i"; sleep 0.04; done; exit 7';
  const job = (await lab.text(['vm', 'exec', '--detach', 'box', '--', 'sh', '-c', script])).trim();
  const attached = lab.start(['vm', 'attach', 'box', job]);
  await until(() => attached.stdout().includes('line 9\n'), { what: 'the job to begin' });
  const daemon = await lab.daemonPid();
  const held = lab.start(['vm', 'exec', 'box', '--', 'sh', '-c', 'echo begun; sleep 300']);
  await until(() => held.stdout().includes('begun'), { what: 'the command to begin' });
  await lab.killDaemon();
  const cut = await held.done;
  assert.equal(cut.code, 125, cut.stderr);
  const detached = await attached.done;
  const [, cursor = ''] = /vm attach --after (\d+) box/.exec(detached.stderr) ?? [];
  assert.equal(Number(cursor), detached.stdout.length, detached.stderr);
  assert.equal(await lab.text(bootId), before);
  assert.notEqual(await lab.daemonPid(), daemon);
  assert.equal(await lab.text(['vm', 'exec', 'box', '--', 'cat', '/root/file']), 'kept\n');
  const hasEnded = async (): Promise<boolean> =>
    (await lab.run(['vm', 'exec', 'box', '--', 'pgrep', '-fx', 'sleep 300'])).code === 1;
  await until(hasEnded, { what: 'the command to end in the guest', everyMs: 200 });

  // The job has outlived both, and a suspension does not end it: every byte comes once.
  await lab.text(['vm', 'suspend', 'box']);
  await lab.text(['vm', 'start', 'box']);
  const followed = await lab.run(['vm', 'attach', '--after', cursor, 'box', job]);
  assert.equal(followed.code, 7, followed.stderr);
  assert.equal(
    Buffer.concat([detached.stdout, followed.stdout]).toString(),
    Array.from({ length: 300 }, (_, index) => `line ${index + 1}\n`).join(''),
  );
});

/** What `vm run -v --cold` prints to stderr at each step of a start, in this order. */
const STEPS = ['] drives', '] start', '] boot', '] personalise', '] init', '] running command'] as const;

/**
 * The kill comes within so many `ms` after a step; the delays are the same in every run, see
 * `scripts/test/property-seed.ts`.
 */
const [DELAYS_MS = []] = fc.sample(fc.array(fc.nat(400), { minLength: 12, maxLength: 12 }), 1);

/** A boot under emulation on a busy host. */
const BOOT_DEADLINE_MS = 200_000;

// What is killed here is the host's; so the guest is one that boots in a third of the time.
suite('a kill while a VM starts', { concurrency: false }, () => {
  let tiny: TinyImage;
  before(async () => {
    tiny = await importTinyImage();
  });
  after(() => tiny[Symbol.asyncDispose]());

  /** A lab with the tiny image; skips the test, and says why, when this host cannot make one. */
  async function open(t: TestContext): Promise<Lab | undefined> {
    if (tiny.whyNone === undefined) return await openLab();
    t.skip(tiny.whyNone);
    return undefined;
  }

  /** Starts a VM, and returns `delayMs` after it has reached `step`. */
  async function startedUntil(lab: Lab, step: string, delayMs: number): Promise<RunningCommand> {
    const shape = ['--image', tiny.name, ...TINY];
    const command = lab.start(['vm', 'run', '-v', '--cold', '--rm', ...shape, '--', 'sleep', '600']);
    let isOver = false;
    void command.done.then(() => {
      isOver = true;
    });
    const waiting = { what: `the step "${step}"`, deadlineMs: BOOT_DEADLINE_MS };
    await until(() => isOver || command.stderr().includes(step), waiting);
    await sleep(delayMs, { signal });
    assert.ok(!isOver, command.stderr());
    return command;
  }

  for (const [at, step] of STEPS.entries()) {
    test(`vm run --rm leaves nothing when it is killed at "${step.slice(2)}"`, async (t) => {
      await using lab = await open(t);
      if (!lab) return;
      for (const delayMs of [0, DELAYS_MS[at] ?? 0]) {
        const command = await startedUntil(lab, step, delayMs);
        command.kill('SIGKILL');
        // The command would have run for ten minutes, so the kill has ended it.
        assert.equal((await command.done).signal, 'SIGKILL');
        await lab.nothingLeft();
      }
    });
  }

  for (const [at, step] of STEPS.entries()) {
    test(`when the daemon is killed at "${step.slice(2)}", nothing is left after the next command`, async (t) => {
      await using lab = await open(t);
      if (!lab) return;
      await lab.text(['vm', 'list']);
      const daemon = await lab.daemonPid();
      const command = await startedUntil(lab, step, DELAYS_MS[STEPS.length + at] ?? 0);
      assert.equal(await lab.daemonPid(), daemon, 'the killed daemon is the one that creates the VM');
      kill(daemon, 'SIGKILL');
      const ran = await command.done;
      assert.notEqual(ran.code, 0, ran.stderr);
      assert.match(ran.stderr, /Lost the daemon|Cannot reach the daemon/);
      await lab.nothingLeft();
    });
  }
});

test('Ctrl-C during the creation of a VM leaves nothing and exits with 130', async () => {
  await using lab = await openLab();
  const command = lab.start(['vm', 'run', '--cold', ...SMALL, '--', 'sleep', '600']);
  await until(() => command.stderr().includes('spec:'), { what: 'the creation to begin' });
  command.kill('SIGINT');
  const ran = await command.done;
  assert.equal(ran.code, 130, ran.stderr);
  await lab.nothingLeft();
});
