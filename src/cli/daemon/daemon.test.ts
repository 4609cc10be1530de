import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, FakeOutput, FakeSignals, openCliLab } from '../../../test/support/cli/cli-harness.ts';
import { sendJson } from '../../../test/support/fakes/fake-daemon.ts';
import { until } from '../../../test/support/until.ts';
import { resolvePaths } from '../../config/settings.ts';

let lab: CliLab;
beforeEach(async () => {
  lab = await openCliLab();
});
afterEach(() => lab[Symbol.asyncDispose]());

describe('daemon', () => {
  const status = {
    pid: 42,
    version: 'dev',
    build: 'b',
    socketPath: '/s',
    logPath: '/l',
    startedAt: new Date().toISOString(),
    runningVmCount: 1,
    activeRequestCount: 2,
    rssBytes: 50 * 2 ** 20,
  };

  test('status describes it', async () => {
    lab.daemon.answers.set('GET /v1/daemon', (_request, response) =>
      sendJson(response, 200, { ...status, idleExitInMs: 61_000 }),
    );
    const { stdout } = await lab.run(['daemon', 'status']);
    assert.match(stdout, /^state +running\npid +42\n/);
    assert.match(stdout, /\nmemory +50M\nidle exit in +1m01s\n$/);
    const json = JSON.parse((await lab.run(['daemon', 'status', '--json'])).stdout) as Record<
      string,
      unknown
    >;
    assert.deepEqual([json['isRunning'], json['pid']], [true, 42]);
  });

  test('status, stop, socket and logs do not start a daemon', async () => {
    await lab.daemon.die();
    assert.match(
      (await lab.run(['daemon', 'status'])).stdout,
      /^state +not running\nsocket +\S+\nlog +\S+\n$/,
    );
    assert.deepEqual(JSON.parse((await lab.run(['daemon', 'status', '--json'])).stdout), {
      isRunning: false,
    });
    assert.equal((await lab.run(['daemon', 'stop'])).stdout, 'not running\n');
    assert.equal((await lab.run(['daemon', 'socket'])).stdout, `${lab.socketPath}\n`);
    assert.deepEqual(await lab.run(['daemon', 'logs']), { status: 0, stdout: '', stderr: '' });
  });

  test('stop waits until it is gone', async () => {
    lab.daemon.answers.set('POST /v1/daemon/stop', (_request, response) => {
      sendJson(response, 200, {});
      setTimeout(() => void lab.daemon.die(), 60);
    });
    const begunAt = performance.now();
    assert.deepEqual(await lab.run(['daemon', 'stop']), { status: 0, stdout: 'stopped\n', stderr: '' });
    assert.ok(performance.now() - begunAt >= 55);
  });

  test('stop waits for a daemon that no longer listens and still cleans up, unless it was killed', async () => {
    const { daemonPlaceFile } = resolvePaths(lab.env);
    const stopped = async (pid: number, afterMs: number): Promise<boolean> => {
      mkdirSync(dirname(daemonPlaceFile), { recursive: true });
      writeFileSync(daemonPlaceFile, JSON.stringify({ pid, socketPath: lab.socketPath }));
      let isClean = false;
      lab.daemon.answers.set('POST /v1/daemon/stop', (_request, response) => {
        sendJson(response, 200, {});
        void lab.daemon.die();
        setTimeout(() => {
          isClean = true;
          rmSync(daemonPlaceFile, { force: true });
        }, afterMs).unref();
      });
      assert.deepEqual(await lab.run(['daemon', 'stop']), { status: 0, stdout: 'stopped\n', stderr: '' });
      return isClean;
    };
    assert.equal(await stopped(process.pid, 300), true);
    await lab[Symbol.asyncDispose]();
    lab = await openCliLab();
    // Above the largest process id (proc(5), pid_max).
    assert.equal(await stopped(2 ** 22 + 1, 60_000), false);
  });

  test('that cannot start is reported with the reason, also by doctor', async () => {
    await lab.daemon.die();
    rmSync(lab.socketPath, { force: true });
    const { status: exit, stderr } = await lab.run(['vm', 'list']);
    assert.equal(exit, 1);
    assert.match(
      stderr,
      /^banger: Cannot start the daemon: it ended with status 3\n {2}hint: banger daemon logs\n$/,
    );
    const found = await lab.run(['doctor']);
    assert.equal(found.status, 1);
    assert.match(
      found.stdout,
      /^pass {2}banger version .*\nfail {2}daemon {10}Cannot start the daemon: it ended with status 3\n/,
    );
  });

  test('logs prints the last lines, and follows the file across a rotation', async () => {
    const path = join(lab.home, '.local', 'state', 'banger', 'bangerd.log');
    mkdirSync(dirname(path), { recursive: true });
    const lines = Array.from({ length: 5_000 }, (_, i) => `line ${i} ${'x'.repeat(40)}\n`);
    writeFileSync(path, lines.join(''));
    assert.equal((await lab.run(['daemon', 'logs', '-n', '3'])).stdout, lines.slice(-3).join(''));
    assert.equal((await lab.run(['daemon', 'logs'])).stdout, lines.slice(-200).join(''));
    assert.equal((await lab.run(['daemon', 'logs', '-n', '4999'])).stdout, lines.slice(-4_999).join(''));
    assert.equal((await lab.run(['daemon', 'logs', '-n', '999999'])).stdout, lines.join(''));
    assert.equal((await lab.run(['daemon', 'logs', '-n', '0'])).stdout, '');

    const stdout = new FakeOutput();
    const signals = new FakeSignals();
    const following = lab.run(['daemon', 'logs', '-f', '-n', '1'], { stdout, signals });
    await until(() => stdout.text === lines.at(-1));
    appendFileSync(path, 'more\n');
    await until(() => stdout.text.endsWith('more\n'));
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'fresh\n');
    await until(() => stdout.text.endsWith('more\nfresh\n'));
    signals.send('SIGINT');
    assert.equal((await following).status, 130);
  });
});
