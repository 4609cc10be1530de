import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { until } from '../../test/support/until.ts';
import { AppError } from '../base/errors.ts';
import { type EnsureDaemonOptions, ensureDaemon } from './ensure-daemon.ts';

/**
 * A daemon that listens, writes its pid, and always ends after a while. It exits with 0 if another one
 * already listens.
 */
const LISTENER = `
  const net = require('node:net');
  const fs = require('node:fs');
  const server = net.createServer((socket) => socket.end());
  server.on('error', () => process.exit(0));
  setTimeout(() => server.listen(process.argv[1], () => fs.appendFileSync(process.argv[2], process.pid + '\\n')), Number(process.argv[3] ?? 0));
  setTimeout(() => process.exit(0), 20000);
`;

describe('ensureDaemon()', () => {
  let folder: string;
  let socketPath: string;
  let logPath: string;
  let pidPath: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sdk-'));
    socketPath = join(folder, 's');
    logPath = join(folder, 'state', 'bangerd.log');
    pidPath = join(folder, 'pids');
  });
  afterEach(() => {
    for (const pid of pids()) {
      try {
        process.kill(pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    rmSync(folder, { recursive: true, force: true });
  });

  const pids = (): number[] =>
    existsSync(pidPath) ? readFileSync(pidPath, 'utf8').trim().split('\n').map(Number) : [];
  /** It writes its pid a moment after it begins to listen. */
  const hasStarted = async (): Promise<void> => {
    await until(() => pids().length > 0);
  };
  const ensure = (options: Partial<EnsureDaemonOptions> = {}): Promise<string> =>
    ensureDaemon({
      socketPath,
      logPath,
      daemonArgv: [process.execPath, '-e', LISTENER, socketPath, pidPath],
      env: { PATH: process.env['PATH'] },
      signal: new AbortController().signal,
      ...options,
    });

  test('starts nothing if a daemon listens', async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
    await ensure({ daemonArgv: ['/nonexistent'], onStart: () => assert.fail('started') });
    await new Promise((resolve) => server.close(resolve));
  });

  test('starts one that outlives the caller, in a private folder, and waits until it listens', async () => {
    let starts = 0;
    await ensure({ onStart: () => (starts += 1) });
    assert.equal(starts, 1);
    await hasStarted();
    assert.equal(statSync(join(folder, 'state')).mode & 0o777, 0o700);
    assert.equal(statSync(logPath).mode & 0o777, 0o600);
  });

  test('starts one daemon for two concurrent callers', async () => {
    await Promise.all([ensure(), ensure()]);
    await hasStarted();
    assert.equal(pids().length, 1);
  });

  test('fails with the end of the log when it dies', async () => {
    const script = `console.error('old'); console.log(JSON.stringify({ level: 'error', msg: 'no records', error: { message: 'disk full\\u001b[2J' } })); process.exit(4)`;
    const failing = ensure({ daemonArgv: [process.execPath, '-e', script] });
    const error = await failing.catch((e: unknown) => e);
    assert.ok(error instanceof AppError);
    assert.equal(error.code, 'DAEMON_START_FAILED');
    assert.equal(error.message, 'Cannot start the daemon: it ended with status 4: no records: disk full [2J');
    assert.deepEqual(error.details?.['logTail'], ['old', 'no records: disk full [2J']);
  });

  test('does not show older lines of the log', async () => {
    await ensure({ daemonArgv: [process.execPath, '-e', "console.error('first'); process.exit(4)"] }).catch(
      () => {},
    );
    const error = await ensure({ daemonArgv: [process.execPath, '-e', 'process.exit(5)'] }).catch(
      (e: unknown) => e,
    );
    assert.ok(error instanceof AppError);
    assert.deepEqual(error.details?.['logTail'], []);
  });

  test('fails when it does not listen in time', async () => {
    const silent = ensure({
      daemonArgv: [process.execPath, '-e', 'setTimeout(() => {}, 2000)'],
      deadlineMs: 300,
    });
    await assert.rejects(silent, { code: 'DAEMON_START_FAILED', message: /did not listen within 0.3 s/ });
  });

  test('starts another one if the first exits with 0 without listening, because it met a daemon that was about to end', async () => {
    const flag = join(folder, 'flag');
    const script = `
      const { existsSync, writeFileSync } = require('node:fs');
      if (!existsSync(${JSON.stringify(flag)})) { writeFileSync(${JSON.stringify(flag)}, ''); process.exit(0); }
      ${LISTENER}
    `;
    await ensure({ daemonArgv: [process.execPath, '-e', script, socketPath, pidPath] });
    await hasStarted();
  });

  test('reports a missing program', async () => {
    await assert.rejects(ensure({ daemonArgv: ['/nonexistent/bangerd'] }), { code: 'EXEC_NOT_FOUND' });
  });

  test('stops waiting when the signal aborts', async () => {
    const controller = new AbortController();
    const waiting = ensure({
      daemonArgv: [process.execPath, '-e', 'setTimeout(() => {}, 2000)'],
      signal: controller.signal,
      onStart: () => setTimeout(() => controller.abort(new Error('enough')), 50),
    });
    await assert.rejects(waiting, { message: 'enough' });
    await assert.rejects(ensure({ signal: AbortSignal.abort(new Error('no')) }), { message: 'no' });
  });

  test('refuses a log folder that other users may enter', async () => {
    await ensure({ daemonArgv: [process.execPath, '-e', 'process.exit(4)'] }).catch(() => {});
    chmodSync(join(folder, 'state'), 0o755);
    await assert.rejects(ensure(), { code: 'DIR_NOT_PRIVATE' });
  });

  test('does not mistake a dead socket file for a daemon', async () => {
    writeFileSync(socketPath, '');
    const script = `require('node:fs').rmSync(process.argv[1]);${LISTENER}`;
    await ensure({ daemonArgv: [process.execPath, '-e', script, socketPath, pidPath] });
    await hasStarted();
  });
});
