import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { type Lab, openLab, type Ran, type RunOptions, SMALL } from '../e2e/support/lab.ts';
import { until } from '../support/until.ts';
import { must, openReleaseMaker } from './releases.ts';

/** What a host has that has neither Node nor npm nor Go. */
const PLAIN_PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin';

/** A daemon that passes all checks of a staged program, and ends as soon as it should serve. */
const DIES = {
  path: 'src/daemon/main.ts',
  from: '  const { paths, logLevel } = settings;\n',
  to: '  const { paths, logLevel } = settings;\n  if (Date.now() > 0) process.exit(1);\n',
};
/** A daemon that changes the schema of the records, and dies when it listens. */
const MIGRATES = [
  {
    path: 'src/adapters/store/migrations.ts',
    from: '  `CREATE TABLE banger (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`,\n',
    to: '  `CREATE TABLE banger (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`,\n  `CREATE TABLE later (x TEXT) STRICT`,\n',
  },
  {
    path: 'src/daemon/main.ts',
    from: 'onListening: () => void setTimeout(() => flushCompileCache(), KEEP_CODE_AFTER_MS).unref(),',
    to: 'onListening: () => endNow(),',
  },
];

describe('updates between releases, with a VM that keeps running', () => {
  let lab: Lab;
  let home: string;
  let site: string;
  let server: Server;
  let from: string[];
  let options: RunOptions;
  let bootId: string;

  before(async () => {
    await ensureDefaultImage(join(import.meta.dirname, '..', '..'));
    lab = await openLab();
    home = join(lab.scratch, 'home');
    mkdirSync(home);
    site = process.env['BANGER_DRILL_RELEASES'] ?? join(lab.scratch, 'site');
    if (!existsSync(join(site, 'v0.4.0'))) makeReleases();
    server = await serve(site);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/manifest.json`;
    from = ['--manifest-url', url, '--pubkey-file', join(site, 'public.pem')];
    must('sh', [join(site, 'v0.1.0/install.sh'), '--user', '--yes'], { HOME: home, PATH: PLAIN_PATH });
    const real = homedir();
    options = {
      program: join(home, '.local/bin/banger'),
      env: {
        HOME: home,
        PATH: PLAIN_PATH,
        // The image and the warm templates of the user who runs this.
        XDG_DATA_HOME: process.env['XDG_DATA_HOME'] ?? join(real, '.local/share'),
        XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(real, '.cache'),
      },
    };
    await text('vm', 'create', '--name', 'alive', '-q', ...SMALL);
    bootId = await bootIdOfGuest();
  });
  after(async () => {
    server.close();
    await lab.run(['vm', 'delete', 'alive'], options);
    await lab.run(['daemon', 'stop'], options);
    await lab[Symbol.asyncDispose]();
  });

  function makeReleases(): void {
    mkdirSync(site, { recursive: true });
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyPath = join(lab.scratch, 'key.pem');
    writeFileSync(keyPath, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    writeFileSync(join(site, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    const maker = openReleaseMaker(join(lab.scratch, 'clone'), { site, keyPath });
    maker.make('v0.1.0');
    maker.make('v0.2.0');
    maker.make('v0.3.0', [DIES]);
    maker.make('v0.4.0', MIGRATES);
  }

  const text = (...words: string[]): Promise<string> => lab.text(words, options);
  const update = (...words: string[]): Promise<Ran> => lab.run(['update', ...from, ...words], options);
  const version = async (): Promise<string> => (await text('--version')).split(' ')[1] ?? '';

  /** Asks again when the guest does not answer: under emulation on a busy host it may be silent for long. */
  async function bootIdOfGuest(): Promise<string> {
    let found = '';
    const ask = async (): Promise<boolean> => {
      const { code, stdout } = await lab.run(
        ['vm', 'exec', 'alive', '--', 'cat', '/proc/sys/kernel/random/boot_id'],
        options,
      );
      found = stdout.toString();
      return code === 0;
    };
    await until(ask, { what: 'the guest to answer', everyMs: 500, deadlineMs: 180_000 });
    return found;
  }

  async function assertAlive(): Promise<void> {
    assert.equal(await bootIdOfGuest(), bootId);
  }

  async function refused(message: RegExp, ...words: string[]): Promise<void> {
    const { code, stderr } = await update(...words);
    assert.notEqual(code, 0);
    assert.match(stderr, message);
  }

  test('update_check', async () => {
    assert.match(
      await text('update', '--check', ...from, '--to', 'v0.2.0'),
      /^update available: v0\.1\.0 -> v0\.2\.0\n$/,
    );
    // From the place and with the key that are in the release.
    assert.match(await text('update', '--check'), /^update available: v0\.1\.0 -> v0\.4\.0\n$/);
    const json = JSON.parse(await text('update', '--check', '--json', '--to', 'v0.1.0')) as unknown;
    assert.deepEqual(json, { outcome: 'up-to-date', installed: 'v0.1.0', version: 'v0.1.0' });
  });

  test('update_to_unknown', async () => {
    await refused(/not found/, '--to', 'v9.9.9');
    assert.equal(await version(), 'v0.1.0');
  });

  test('update_no_root', {
    skip:
      process.getuid?.() === 0 ? false : 'needs root to make an install for all users, in a mount namespace',
  }, async () => {
    await chmod(site, 0o755);
    const script = `
      set -e
      mount -t tmpfs tmpfs /usr/local
      HOME=/nonexistent PATH='${PLAIN_PATH}' sh '${site}/v0.1.0/install.sh' --yes
      cp '${site}/public.pem' /usr/local/public.pem
      chmod 644 /usr/local/public.pem
      as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups env -i HOME=/nonexistent PATH='${PLAIN_PATH}' "$@"; }
      as_user /usr/local/bin/banger update --manifest-url '${from[1]}' --pubkey-file /usr/local/public.pem --check --to v0.2.0
      as_user /usr/local/bin/banger update --manifest-url '${from[1]}' --pubkey-file /usr/local/public.pem --to v0.2.0 || true
      /usr/local/bin/banger --version
      HOME=/nonexistent /usr/local/bin/banger update --manifest-url '${from[1]}' --pubkey-file /usr/local/public.pem --to v0.2.0
      /usr/local/bin/banger --version`;
    const { stdout, stderr } = await inMountNamespace(script);
    assert.match(stdout, /update available: v0\.1\.0 -> v0\.2\.0\n/);
    assert.match(stderr, /updating this install needs root\n +hint: sudo \/usr\/local\/bin\/banger update/);
    assert.match(stdout, /banger v0\.1\.0 \([^\n]+\nupdated: v0\.1\.0 -> v0\.2\.0\nbanger v0\.2\.0 /);
  });

  test('update_dry_run', async () => {
    const { code, stdout, stderr } = await update('--dry-run', '--to', 'v0.2.0');
    assert.equal(code, 0, stderr);
    assert.match(stdout.toString(), /^dry-run: v0\.2\.0/m);
    assert.equal(await version(), 'v0.1.0');
    assert.ok(!existsSync(join(home, '.local/share/banger/releases/v0.2.0')));
  });

  test('a command in a VM is named before anything is done, and keeps running', async () => {
    const session = lab.start(
      ['vm', 'exec', 'alive', '--', 'sh', '-c', 'echo begun; sleep 20; echo ended'],
      options,
    );
    await until(() => session.stdout().toString().includes('begun'));
    await refused(/daemon is busy with 1 command or session in VMs/, '--to', 'v0.2.0');
    assert.equal(await version(), 'v0.1.0');
    const { code, stdout } = await session.done;
    assert.deepEqual([code, stdout.toString()], [0, 'begun\nended\n']);
  });

  test('killed while the daemon changes, it leaves an install that works', async () => {
    const killed = lab.start(['update', ...from, '--to', 'v0.2.0'], options);
    // bin/banger becomes node, so this is the update itself.
    await until(() => existsSync(join(home, '.local/share/banger/releases/v0.2.0')), { deadlineMs: 180_000 });
    const { pid } = JSON.parse(await text('daemon', 'status', '--json')) as { pid: number };
    await until(() => !existsSync(`/proc/${pid}`), { deadlineMs: 180_000 });
    killed.kill('SIGKILL');
    await killed.done;
    assert.equal(await version(), 'v0.1.0');
    await assertAlive();
  });

  test('update_keeps_vm_alive', async () => {
    const { code, stdout, stderr } = await update('--to', 'v0.2.0');
    assert.equal(code, 0, stderr);
    assert.match(stdout.toString(), /^updated: v0\.1\.0 -> v0\.2\.0$/m);
    assert.equal(await version(), 'v0.2.0');
    const { version: running } = JSON.parse(await text('daemon', 'status', '--json')) as { version: string };
    assert.equal(running, 'v0.2.0');
    await assertAlive();
  });

  for (const [release, what] of [
    ['v0.3.0', 'a daemon that exits'],
    ['v0.4.0', 'a daemon that migrates the records and dies'],
  ] as const) {
    test(`update_rollback_keeps_vm_alive: ${what}`, async () => {
      await refused(/\(rolled back to previous install\)/, '--to', release);
      assert.equal(await version(), 'v0.2.0');
      const { version: running } = JSON.parse(await text('daemon', 'status', '--json')) as {
        version: string;
      };
      assert.equal(running, 'v0.2.0');
      await assertAlive();
    });
  }

  /** Runs a script as root of a mount namespace; does not block the server of this process. */
  async function inMountNamespace(script: string): Promise<{ stdout: string; stderr: string }> {
    const { stdout, stderr } = await exec(['unshare', '--mount', 'sh', '-c', script], {
      signal: neverAborts(),
    });
    return { stdout: stdout.toString(), stderr };
  }
});

/** Serves the files below a folder. */
async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = join(folder, request.url ?? '');
    if (!existsSync(path)) response.writeHead(404).end();
    else createReadStream(path).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
