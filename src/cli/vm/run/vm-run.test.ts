import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  type CliLab,
  FakeOutput,
  FakeSignals,
  openCliLab,
  stdinOf,
} from '../../../../test/support/cli/cli-harness.ts';
import { sendEvents, sendJson } from '../../../../test/support/fakes/fake-daemon.ts';
import { until } from '../../../../test/support/until.ts';

/** A command that waits for a signal, and prints which one it gets. */
const TRAP = "trap 'echo got INT; exit 3' INT; echo up; while :; do sleep 0.01; done";

describe('banger vm run', () => {
  let lab: CliLab;
  let repo: string;

  beforeEach(async () => {
    lab = await openCliLab();
    repo = join(lab.home, 'repo');
    mkdirSync(repo);
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  const isGone = (): boolean => lab.daemon.vms.size === 0;

  test('passes stdout and stderr on separately, and exits with the status of the command', async () => {
    const result = await lab.run(['vm', 'run', '--rm', '--', 'sh', '-c', 'echo out; echo err >&2; exit 42']);
    assert.equal(result.status, 42);
    assert.equal(result.stdout, 'out\n');
    assert.match(
      result.stderr,
      /^spec: 2 vcpu \| 2048 MiB \| 8G disk\n\[vm create\] ready in [0-9.]+s\nerr\n$/,
    );
  });

  test('exits with 128+n when signal n killed the command', async () => {
    for (const [name, status] of [
      ['KILL', 137],
      ['TERM', 143],
      ['SEGV', 139],
    ] as const) {
      const result = await lab.run(['vm', 'run', '--rm', '--', 'sh', '-c', `kill -${name} $$`]);
      assert.equal(result.status, status, name);
    }
  });

  test('exits with 127 or 126 for a command that cannot be started', async () => {
    const missing = await lab.run(['vm', 'run', '--rm', '--', 'no-such-program']);
    assert.equal(missing.status, 127);
    assert.match(missing.stderr, /banger: Cannot run "no-such-program" in the guest: no such command\n/);
    assert.equal((await lab.run(['vm', 'run', '--rm', '--', '/etc/passwd'])).status, 126);
    assert.ok(isGone());
  });

  test('streams stdin, and its end', async () => {
    const block = Buffer.alloc(64 * 1024, 'seq');
    const stdin = Readable.from(Array(100).fill(block)) as Readable & { isTTY?: boolean };
    const result = await lab.run(['vm', 'run', '--rm', '--', 'sha256sum'], { stdin });
    const hash = createHash('sha256');
    for (let i = 0; i < 100; i += 1) hash.update(block);
    assert.equal(result.stdout, `${hash.digest('hex')}  -\n`);
  });

  test('with --rm creates an ephemeral VM and waits until it is deleted', async () => {
    await lab.run(['vm', 'run', '--rm', '--name', 'tmp', '--', 'true']);
    assert.deepEqual(lab.requestLines(), ['POST /v1/vms', 'POST /v1/vms/ID/exec', 'DELETE /v1/vms/ID']);
    assert.deepEqual(lab.daemon.requests[0]?.body, {
      name: 'tmp',
      image: 'debian-bookworm',
      ...(lab.daemon.requests[0]?.body as object),
      ephemeral: true,
    });
    assert.ok(isGone());
  });

  test('without --rm leaves the VM running', async () => {
    const result = await lab.run(['vm', 'run', '--', 'true']);
    assert.equal([...lab.daemon.vms.values()][0]?.state, 'running');
    assert.doesNotMatch(result.stderr, /still running/);
  });

  test('sends the whole shape, from the options or the settings', async () => {
    await lab.run([
      'vm',
      'run',
      '--vcpu',
      '1',
      '--memory',
      '512',
      '--disk-size',
      '2G',
      '--image',
      'mine',
      '--',
      'true',
    ]);
    const body = lab.daemon.requests[0]?.body as Record<string, unknown>;
    assert.deepEqual(
      [
        body['vcpuCount'],
        body['memoryMib'],
        body['diskSizeBytes'],
        body['systemOverlaySizeBytes'],
        body['image'],
      ],
      [1, 512, 2 * 2 ** 30, 8 * 2 ** 30, 'mine'],
    );
    assert.equal('ephemeral' in body, false);
  });

  test('exits with 2 when the daemon refuses, with 125 when the creation fails', async () => {
    const failWith = (code: string): void => {
      lab.daemon.answers.set('POST /v1/vms', (_request, response) =>
        sendEvents(response, [{ event: 'error', error: { code, message: 'oh', causes: ['why', 'deeper'] } }]),
      );
    };
    for (const code of [
      'VM_NAME_TAKEN',
      'IMAGE_NOT_FOUND',
      'IMAGE_DAMAGED',
      'VMM_NOT_FOUND',
      'VM_SHAPE_INVALID',
    ]) {
      failWith(code);
      assert.equal((await lab.run(['vm', 'run', '--', 'true'])).status, 2, code);
    }
    failWith('HOST_NO_SPACE');
    assert.equal((await lab.run(['vm', 'run', '--', 'true'])).status, 125);
    failWith('VMM_START_FAILED');
    const failed = await lab.run(['vm', 'run', '--', 'true']);
    assert.equal(failed.status, 125);
    assert.equal(failed.stderr, 'banger: oh\n  cause: why\n  cause: deeper\n');
  });

  test('reports a bug of the daemon, with the place of its log', async () => {
    lab.daemon.answers.set('POST /v1/vms', (_request, response) =>
      sendJson(response, 500, { code: 'INTERNAL_BUG', message: 'x is not a function' }),
    );
    const { status, stderr } = await lab.run(['vm', 'run', '--', 'true']);
    assert.equal(status, 125);
    assert.match(stderr, /^banger: this is a bug: x is not a function\n {2}log: .*\/bangerd\.log\n$/);
  });

  test('with --json prints one value, and the output of the command to stderr', async () => {
    const result = await lab.run([
      'vm',
      'run',
      '--rm',
      '--json',
      repo,
      '--',
      'sh',
      '-c',
      'echo out; kill -9 $$',
    ]);
    assert.equal(result.status, 137);
    const report = JSON.parse(result.stdout) as Record<string, unknown> & {
      vm: { name: string };
      timings: object;
    };
    assert.equal(report.vm.name, 'calm-otter');
    assert.deepEqual(report['exit'], { signal: 'SIGKILL', number: 9 });
    assert.deepEqual([report['exitStatus'], report['isDeleted']], [137, true]);
    assert.deepEqual(Object.keys(report.timings), ['createMs', 'workspaceMs', 'commandMs', 'totalMs']);
    assert.match(result.stderr, /\nout\n$/);
  });

  test('warns when the VM cannot be deleted, and keeps the status of the command', async () => {
    await lab.run(['vm', 'create', '--name', 'tmp']);
    const id = [...lab.daemon.vms.keys()][0];
    lab.daemon.answers.set(`DELETE /v1/vms/${id}`, (_request, response) =>
      sendJson(response, 500, { code: 'VMM_BUSY', message: 'it hangs' }),
    );
    const result = await lab.run(['vm', 'run', '--rm', '--name', 'tmp', '--', 'sh', '-c', 'exit 5']);
    assert.equal(result.status, 5);
    assert.match(
      result.stderr,
      /warning: --rm cleanup failed: it hangs \(leaked vm "tmp"; delete manually: /,
    );
  });

  test('without a command and a terminal runs a login shell that reads stdin', async () => {
    const result = await lab.run(['vm', 'run', '--rm'], { stdin: stdinOf('echo hello from $0\nexit 6\n') });
    assert.deepEqual([result.status, result.stdout], [6, 'hello from /bin/sh\n']);
    assert.deepEqual(lab.daemon.guests[0]?.start.pty, undefined);
  });

  test('prints a reminder that the VM of a shell still runs', async () => {
    const result = await lab.run(['vm', 'run'], { stdin: stdinOf('') });
    assert.match(
      result.stderr,
      /vm "calm-otter" is still running; a shell in it: banger vm ssh calm-otter; /,
    );
  });

  describe('signals', () => {
    const within = async (stream: FakeOutput, text: string): Promise<void> => {
      await until(() => stream.text.includes(text));
    };

    test('Ctrl-C cancels the creation of the VM: exit 130, and nothing is left', async () => {
      for (const flags of [[], ['--rm']]) {
        lab.daemon.createMs = 10_000;
        const signals = new FakeSignals();
        const stderr = new FakeOutput();
        const running = lab.run(['vm', 'run', ...flags, '--', 'true'], { signals, stderr });
        await within(stderr, 'spec:');
        signals.send('SIGINT');
        const { status } = await running;
        assert.equal(status, 130);
        assert.match(stderr.text, /banger: Interrupted\n$/);
        await until(() => lab.daemon.cancelledCount > 0);
        assert.ok(isGone());
        lab.daemon.cancelledCount = 0;
      }
    });

    test('go to the process group of the command, whose status counts', async () => {
      const signals = new FakeSignals();
      const stdout = new FakeOutput();
      const running = lab.run(['vm', 'run', '--rm', '--', 'sh', '-c', TRAP], { signals, stdout });
      await within(stdout, 'up');
      signals.send('SIGINT');
      const { status } = await running;
      assert.deepEqual([status, stdout.text], [3, 'up\ngot INT\n']);
      assert.deepEqual(lab.daemon.guests[0]?.signals, ['SIGINT']);
      assert.ok(isGone());
    });

    test('SIGTERM is passed on too', async () => {
      const signals = new FakeSignals();
      const stdout = new FakeOutput();
      const running = lab.run(['vm', 'run', '--', 'sh', '-c', 'echo up; sleep 60'], { signals, stdout });
      await within(stdout, 'up');
      signals.send('SIGTERM');
      assert.equal((await running).status, 143);
    });

    test('the same signal twice within 2 s ends the client, hangs up, and still deletes the VM', async () => {
      const signals = new FakeSignals();
      const stdout = new FakeOutput();
      const running = lab.run(['vm', 'run', '--rm', '--', 'sh', '-c', "trap '' INT; echo up; sleep 60"], {
        signals,
        stdout,
      });
      await within(stdout, 'up');
      signals.send('SIGINT');
      signals.send('SIGINT');
      assert.equal((await running).status, 130);
      assert.ok(isGone());
      await until(() => lab.daemon.guests[0]?.isHungUp === true);
    });

    test('SIGHUP is passed on, and ends the client 2 s later if the command continues', async () => {
      const signals = new FakeSignals();
      const stdout = new FakeOutput();
      const running = lab.run(['vm', 'run', '--rm', '--', 'sh', '-c', "trap '' HUP; echo up; sleep 60"], {
        signals,
        stdout,
      });
      await within(stdout, 'up');
      const at = performance.now();
      signals.send('SIGHUP');
      assert.equal((await running).status, 129);
      assert.ok(performance.now() - at >= 1_900);
      assert.ok(isGone());
    });

    test('a signal during the cleanup ends even that', async () => {
      await lab.run(['vm', 'create', '--name', 'tmp']);
      const id = [...lab.daemon.vms.keys()][0];
      const { promise: isDeleting, resolve } = Promise.withResolvers<void>();
      lab.daemon.answers.set(`DELETE /v1/vms/${id}`, () => resolve());
      const signals = new FakeSignals();
      const stdout = new FakeOutput();
      const running = lab.run(
        ['vm', 'run', '--rm', '--name', 'tmp', '--', 'sh', '-c', "trap '' INT; echo up; sleep 60"],
        { signals, stdout },
      );
      await within(stdout, 'up');
      signals.send('SIGINT');
      signals.send('SIGINT');
      await isDeleting;
      signals.send('SIGINT');
      assert.equal((await running).status, 130);
    });
  });

  test('exits with 125 when the daemon is lost during the command', async () => {
    const stdout = new FakeOutput();
    const running = lab.run(['vm', 'run', '--', 'sh', '-c', 'echo up; sleep 60'], { stdout });
    await until(() => stdout.text.includes('up'));
    await lab.daemon.die();
    const { status, stderr } = await running;
    assert.equal(status, 125);
    assert.match(stderr, /banger: Lost the daemon during a command in the guest/);
  });
});
