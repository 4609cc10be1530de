import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../test/support/cli/cli-harness.ts';
import { neverAborts } from '../../base/abort.ts';
import { readSystemInstall } from '../../config/system-install.ts';
import { askHelper } from './ask-helper.ts';
import { removeSteps, restartSteps } from './plan.ts';
import { stepLine } from './steps.ts';

describe('banger system', () => {
  let lab: CliLab;
  before(async () => {
    lab = await openCliLab({ hasDaemon: false });
  });
  after(() => lab[Symbol.asyncDispose]());

  test('install refuses owners that are none', async () => {
    const cases = [
      ['root', /it is root/],
      ['no-such-user', /no such user/],
      ['a b', /not the name of a user/],
      ['', /not the name of a user/],
      ['-x', /not the name of a user/],
    ] as const;
    for (const [owner, message] of cases) {
      const { status, stderr } = await lab.run(['system', 'install', '--owner', owner, '--dry-run']);
      assert.equal(status, 2, owner);
      assert.match(stderr, message);
    }
  });

  test('says on a host without services what makes some', async (t) => {
    if (readSystemInstall()) return t.skip('this host has services');
    assert.equal((await lab.run(['system', 'status'])).stdout, 'not installed\n');
    for (const command of ['restart', 'uninstall']) {
      const { status, stderr } = await lab.run(['system', command, '--dry-run']);
      assert.equal(status, 1);
      assert.match(stderr, /banger has none on this host\n {2}hint: sudo banger system install/);
    }
  });

  test('stops the helper before its socket is replaced, and keeps VMs unless they are purged', () => {
    const lines = restartSteps().map(stepLine);
    assert.ok(
      lines.indexOf('run systemctl stop bangerd-root.service') <
        lines.indexOf('run systemctl restart bangerd-root.socket'),
    );
    const removed = (isPurge: boolean): string[] =>
      removeSteps({ isPurge, hasOwnLink: false, helper: { program: '/p', uid: 1000 } }).map(stepLine);
    assert.ok(!removed(false).includes('remove /var/lib/banger'));
    assert.ok(removed(true).includes('remove /var/lib/banger'));
    for (const lines of [removed(true), removed(false)]) {
      assert.ok(
        lines.indexOf('run /p clean --owner 1000') < lines.indexOf('remove /usr/local/lib/banger-system'),
      );
      assert.ok(!lines.includes('remove /usr/local/bin/banger'));
      // An uninstall that was cut off is known by this file, and can be repeated.
      assert.deepEqual(
        lines.slice(-2).map((line) => line.replace(/ if .*/, '')),
        ['remove /etc/banger/install.toml', 'remove /etc/banger'],
      );
    }
  });
});

describe('askHelper()', () => {
  let dir: string;
  let server: Server;
  let answer = '';
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'helper-'));
    server = createServer((socket) => void socket.once('data', () => socket.end(answer)));
    await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
  });
  after(() => {
    server.close();
    rmSync(dir, { recursive: true });
  });

  const ask = async (path = join(dir, 's')): Promise<unknown> =>
    await askHelper({ signal: neverAborts() }, path);

  test('returns the status, and nothing when there is none', async () => {
    answer = '{"ok":true,"result":{"version":"v1","owner":1000,"operations":[]}}\n';
    assert.deepEqual(await ask(), { version: 'v1', owner: 1000 });
    for (answer of ['', 'no JSON', '{"ok":false}', '{"ok":true,"result":{"version":1}}', 'x'.repeat(70_000)])
      assert.equal(await ask(), undefined, answer.slice(0, 20));
    assert.equal(await ask(join(dir, 'absent')), undefined);
  });
});
