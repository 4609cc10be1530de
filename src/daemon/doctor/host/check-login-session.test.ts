import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { inspectLogin } from './check-login-session.ts';

const IN_SESSION = '0::/user.slice/user-1000.slice/session-3.scope\n';
const IN_MANAGER = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.scope\n';
const ME = { uid: 1000, name: 'me' };

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'login-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true });
});

/** Writes files as on a host with systemd, and runs the check. */
async function inspect(files: Record<string, string>, user = ME) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  const config = ['etc', 'usr'].map((name) => join(dir, name));
  const [users, linger, cgroup] = ['users', 'linger', 'cgroup'].map((name) => join(dir, name));
  return await inspectLogin(user, { users: users ?? '', linger: linger ?? '', cgroup: cgroup ?? '', config });
}

test('without login sessions of systemd there is no finding', async () => {
  assert.equal((await inspect({ 'usr/logind.conf': 'KillUserProcesses=yes' })).status, 'pass');
});

test("below the user's service manager, VMs end with the last session unless the user lingers", async () => {
  const files = { 'users/1000': '', cgroup: IN_MANAGER, 'usr/logind.conf': '#KillUserProcesses=no' };
  const found = await inspect(files);
  assert.deepEqual([found.status, found.fix], ['warn', 'loginctl enable-linger me']);
  assert.match(found.message, /"me" does not linger/);
  assert.equal((await inspect({ 'linger/me': '' })).status, 'pass');
});

for (const [status, config] of [
  ['pass', { 'usr/logind.conf': '[Login]\n#KillUserProcesses=no\n' }],
  ['warn', { 'usr/logind.conf': '[Login]\n#KillUserProcesses=yes\n' }],
  ['warn', { 'usr/logind.conf': '[Login]\n#Other=no\n' }],
  ['warn', { 'etc/logind.conf': 'KillUserProcesses=yes', 'usr/logind.conf': '#KillUserProcesses=no' }],
  [
    'pass',
    { 'etc/logind.conf': 'KillUserProcesses=yes', 'usr/logind.conf.d/9.conf': 'KillUserProcesses = false' },
  ],
  [
    'pass',
    {
      'etc/logind.conf.d/1.conf': 'KillUserProcesses=no',
      'usr/logind.conf.d/1.conf': 'KillUserProcesses=yes',
    },
  ],
  [
    'warn',
    { 'etc/logind.conf.d/1.conf': 'KillUserProcesses=no', 'usr/logind.conf.d/2.conf': 'KillUserProcesses=1' },
  ],
] as const) {
  test(`KillUserProcesses is read as logind reads it: ${JSON.stringify(config)}`, async () => {
    const found = await inspect({ 'users/1000': '', cgroup: IN_SESSION, ...config });
    assert.equal(found.status, status, found.message);
    if (status === 'warn') assert.match(found.fix ?? '', /KillUserProcesses=no/);
  });
}

test('there is no finding for root', async () => {
  const files = { 'users/0': '', cgroup: IN_SESSION, 'etc/logind.conf': 'KillUserProcesses=yes' };
  assert.equal((await inspect(files, { uid: 0, name: 'root' })).status, 'pass');
});
