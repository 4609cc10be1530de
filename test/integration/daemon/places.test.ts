import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FsVmFiles } from '../../../src/adapters/store/fs-vm-files.ts';
import { isAlive } from '../../../src/adapters/vmm/vmm-process.ts';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { ensurePrivateDir } from '../../../src/base/files/private-dir.ts';
import { createLogger } from '../../../src/base/log.ts';
import { otherDaemonSockets, readDaemonPlace } from '../../../src/config/daemon-places.ts';
import { pathsUnder } from '../../../src/config/paths.ts';
import { meetHolder } from '../../../src/daemon/earlier-daemon.ts';
import { settleRuntimePlace } from '../../../src/daemon/runtime-place.ts';
import { findDaemon } from '../../../src/sdk/find-daemon.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';

const signal = neverAborts();
const log = createLogger(() => {}, { level: 'error' });

let lab: DaemonLab;

beforeEach(async () => {
  lab = await openDaemonLab();
});

afterEach(() => lab[Symbol.asyncDispose]());

/** Waits until the daemon answers at its usual place. */
async function answers(): Promise<number> {
  const attempt = async (): Promise<number | undefined> => {
    try {
      return (await lab.client.daemonStatus({ signal })).pid;
    } catch {
      return undefined;
    }
  };
  return await poll(attempt, { everyMs: 20, deadlineMs: 55_000, what: 'the daemon to answer', signal });
}

for (const [what, take] of Object.entries({
  'its socket': () => rm(lab.settings.paths.daemonSocket),
  'the folder of its socket': () => rm(lab.settings.paths.runtimeDir, { recursive: true }),
  'its socket, by a file,': () => rename(lab.settings.paths.daemonLockFile, lab.settings.paths.daemonSocket),
  'its socket and its lock': async () => {
    await rm(lab.settings.paths.runtimeDir, { recursive: true });
    await rm(lab.settings.paths.daemonLockFile);
  },
})) {
  test(`a daemon that loses ${what} listens there again, and is still the only one`, async () => {
    await lab.start();
    const { daemonSocket, daemonPlaceFile } = lab.settings.paths;
    await take();
    assert.equal(await answers(), process.pid);
    assert.equal((await stat(daemonSocket)).mode & 0o777, 0o600);
    assert.deepEqual(readDaemonPlace(daemonPlaceFile), { pid: process.pid, socketPath: daemonSocket });
    await poll(() => (existsSync(lab.settings.paths.daemonLockFile) ? true : undefined), {
      everyMs: 20,
      deadlineMs: 55_000,
      what: 'the lock file',
      signal,
    });
    assert.equal(await (await lab.start()).ended, false);
  });
}

test('work in progress is not interrupted when the socket is created again', async () => {
  await lab.start();
  await resultOf(lab.client.createVm({ name: 'v' }, { signal }));
  using session = await lab.client.exec('v', shell('read word; echo got $word'), { signal });
  await rm(lab.settings.paths.daemonSocket);
  await answers();
  await session.write(Buffer.from('it\n'));
  const { exit, stdout } = await session.collect();
  assert.deepEqual([exit, stdout.toString()], [{ code: 0 }, 'got it\n']);
  await resultOf(lab.client.deleteVm('v', { signal }));
});

test('a daemon whose state folder is deleted ends, with the VMs that lost their drives', async () => {
  const daemon = await lab.start();
  const { paths } = lab.settings;
  const { id } = await resultOf(lab.client.createVm({ name: 'v' }, { signal }));
  const place = { vmId: id, ...new FsVmFiles(paths).folders(id) };
  const running = await lab.driver.adopt(place, { signal });
  assert.ok(running);
  running.detach();
  await rm(paths.stateDir, { recursive: true });
  const next = await lab.start();
  assert.equal(await daemon.ended, true);
  assert.equal(await answers(), process.pid);
  assert.equal(await isAlive(running.vmm), false);
  assert.ok(existsSync(paths.daemonSocket), 'the daemon that ended has not removed the socket of the next');
  await next[Symbol.asyncDispose]();
});

test('sockets go elsewhere when the state folder cannot hold them, and are found there', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'places-'));
  const homes = ['a', 'b'].map((name) => join(dir, name));
  const paths = pathsUnder({
    configHome: dir,
    dataHome: dir,
    cacheHome: dir,
    stateHome: join(dir, 's'),
    runtimeHomes: homes,
  });
  await ensurePrivateDir(paths.stateDir);
  try {
    assert.equal(await settleRuntimePlace(paths, { log }), paths);
    await rm(paths.runtimeDir, { recursive: true });
    await writeFile(paths.runtimeDir, 'a file');
    const spare = await settleRuntimePlace(paths, { log });
    assert.equal(dirname(dirname(spare.runtimeDir)), homes[0]);
    assert.ok(otherDaemonSockets(paths).includes(spare.daemonSocket));
    for (const home of homes) {
      await rm(home, { recursive: true, force: true });
      await writeFile(home, 'a file');
    }
    await assert.rejects(settleRuntimePlace(paths, { log }), {
      code: 'SOCKETS_UNSUPPORTED',
      hint: /XDG_STATE_HOME/,
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test('a daemon in another place is used only if it has our state folder', async () => {
  const other = await openDaemonLab();
  try {
    await other.start();
    const places = {
      socketPath: lab.settings.paths.daemonSocket,
      otherSockets: async () => [other.settings.paths.daemonSocket],
    };
    const find = (logPath: string) => findDaemon({ ...places, logPath }, { signal });
    assert.equal(await find(lab.settings.paths.daemonLogFile), undefined);
    assert.equal(await find(other.settings.paths.daemonLogFile), other.settings.paths.daemonSocket);
  } finally {
    await other[Symbol.asyncDispose]();
  }
});

/**
 * A daemon as in older versions: holds the lock, writes no file about itself, listens in the folder of its
 * session, ends on SIGTERM.
 */
const EARLIER_DAEMON = `
  const { DatabaseSync } = require('node:sqlite');
  const net = require('node:net');
  const [lockPath, socketPath] = process.argv.slice(2);
  const db = new DatabaseSync(lockPath);
  db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  process.on('SIGTERM', () => process.exit(0));
  net.createServer((socket) => socket.end()).listen(socketPath, () => console.log('listening'));
`;

test('a daemon of an older version is used while it listens, and asked to end when its socket is gone', async () => {
  const { paths } = lab.settings;
  const home = join(lab.dir, 'session');
  const socketPath = join(home, 'banger', 'bangerd.sock');
  const program = join(lab.dir, 'bangerd.cjs');
  await ensurePrivateDir(paths.stateDir);
  await mkdir(dirname(socketPath), { recursive: true });
  await writeFile(program, EARLIER_DAEMON);
  const earlier = spawn(process.execPath, [program, paths.daemonLockFile, socketPath], {
    env: { ...process.env, XDG_RUNTIME_DIR: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(earlier.stdout, 'data');
  assert.equal(await meetHolder(paths, { log, signal, startMs: 0 }), undefined);
  assert.deepEqual(readDaemonPlace(paths.daemonPlaceFile), { pid: earlier.pid, socketPath });
  assert.equal(otherDaemonSockets(paths)[0], socketPath);
  await rm(home, { recursive: true });
  await rm(paths.daemonPlaceFile);
  assert.equal(await meetHolder(paths, { log, signal, startMs: 60_000 }), undefined, 'it may still start');
  const exited = once(earlier, 'exit');
  using taken = await meetHolder(paths, { log, signal, startMs: 0 });
  assert.ok(taken);
  assert.deepEqual(await exited, [0, null]);
});

test('another process that has the lock file open is not ended', async () => {
  const { paths } = lab.settings;
  await ensurePrivateDir(paths.stateDir);
  const server = createServer();
  const other = spawn(
    process.execPath,
    ['-e', EARLIER_DAEMON.replace('slice(2)', 'slice(1)'), paths.daemonLockFile, join(lab.dir, 's')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  try {
    await once(other.stdout, 'data');
    assert.equal(await meetHolder(paths, { log, signal, startMs: 0 }), undefined);
    assert.equal(other.exitCode, null);
  } finally {
    server.close();
    other.kill('SIGKILL');
    await once(other, 'exit');
  }
});
