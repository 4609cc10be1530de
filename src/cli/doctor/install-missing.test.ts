import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openCliLab } from '../../../test/support/cli/cli-harness.ts';
import { sendJson } from '../../../test/support/fakes/fake-daemon.ts';
import { installCommand } from './install-missing.ts';

const PACKAGES = {
  apt: 'qemu-utils git',
  dnf: 'qemu-img git',
  pacman: 'qemu-img git',
  zypper: 'qemu-tools git',
};
const MISSING = { name: 'a', status: 'fail' as const, message: 'none', packages: PACKAGES };
const FINE = { name: 'b', status: 'pass' as const, message: 'fine', packages: PACKAGES };

describe('installing what a host lacks', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'packages-'));
    mkdirSync(join(dir, 'bin'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** A program that writes down its arguments. */
  function put(name: string, status = 0): void {
    const path = join(dir, 'bin', name);
    writeFileSync(path, `#!/bin/sh\necho ${name} "$@" >>'${dir}/ran'\necho output\nexit ${status}\n`);
    chmodSync(path, 0o755);
  }
  const ran = (): string => (existsSync(join(dir, 'ran')) ? readFileSync(join(dir, 'ran'), 'utf8') : '');

  // The folders of the system are looked at too, so the others cannot be tried on every host.
  test('takes apt where it is there, with sudo for an ordinary user, and names each package once', async () => {
    put('apt-get');
    const env = { PATH: join(dir, 'bin') };
    assert.deepEqual(await installCommand([MISSING, FINE, MISSING], { env, isRoot: true }), [
      ...['apt-get', 'install', '-y', 'qemu-utils', 'git'],
    ]);
    const asUser = await installCommand([MISSING], { env, isRoot: false });
    assert.deepEqual(asUser?.slice(0, 3), ['sudo', 'apt-get', 'install']);
    assert.equal(await installCommand([FINE], { env, isRoot: true }), undefined);
  });

  test('passes nothing to the package manager that could be an option', async () => {
    put('apt-get');
    const packages = { ...PACKAGES, apt: '--allow-unauthenticated git; $(x)' };
    const argv = await installCommand([{ ...MISSING, packages }], {
      env: { PATH: join(dir, 'bin') },
      isRoot: true,
    });
    assert.deepEqual(argv, ['apt-get', 'install', '-y']);
  });

  /** `banger doctor` with a daemon that misses something until a package manager has run. */
  async function doctor(...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    await using lab = await openCliLab();
    const state = { pid: 1, version: 'dev', build: 'b', socketPath: '/s', logPath: '/l', runningVmCount: 0 };
    lab.daemon.answers.set('GET /v1/daemon', (_request, response) =>
      sendJson(response, 200, {
        ...state,
        startedAt: new Date().toISOString(),
        activeRequestCount: 0,
        rssBytes: 1,
      }),
    );
    lab.daemon.answers.set('POST /v1/doctor/fix', (_request, response) =>
      sendJson(response, 200, { checks: [MISSING], fixed: [] }),
    );
    lab.daemon.answers.set('GET /v1/doctor', (_request, response) =>
      sendJson(response, 200, { checks: [ran() === '' ? MISSING : FINE] }),
    );
    return await lab.run(['doctor', ...words], {
      env: { PATH: `${join(dir, 'bin')}:${process.env['PATH']}` },
    });
  }

  test('doctor --fix without a terminal says the command, and runs nothing', async () => {
    put('apt-get');
    put('sudo');
    const { status, stderr } = await doctor('--fix');
    assert.equal(status, 1);
    assert.match(
      stderr,
      /can be installed with: (sudo )?apt-get install -y qemu-utils git, or with banger doctor --fix --yes/,
    );
    assert.equal(ran(), '');
  });

  test('doctor --fix --yes says the command, runs it, and checks again', async () => {
    put('apt-get');
    put('sudo');
    const { status, stdout, stderr } = await doctor('--fix', '--yes');
    assert.match(stderr, /This installs them: (sudo )?apt-get install -y qemu-utils git/);
    assert.match(ran(), /^(sudo )?apt-get install -y qemu-utils git\n$/);
    assert.equal(status, 0, stdout);
  });

  test('says that installing has failed', async () => {
    put('apt-get', 100);
    put('sudo', 100);
    const { status, stderr } = await doctor('--fix', '--yes');
    assert.match(stderr, /installing ended with status 100/);
    assert.equal(status, 1);
  });

  test('installs nothing without --fix', async () => {
    put('apt-get');
    await doctor('--yes');
    assert.equal(ran(), '');
  });
});
