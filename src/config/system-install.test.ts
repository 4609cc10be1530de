import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { servicePaths } from './paths.ts';
import { resolvePaths } from './settings.ts';
import { readSystemInstall, SYSTEM_MARK } from './system-install.ts';

test('readSystemInstall() reads only what system install wrote, for a user other than root', () => {
  const dir = mkdtempSync(join(tmpdir(), 'install-'));
  const path = join(dir, 'install.toml');
  const read = (text: string): unknown => {
    writeFileSync(path, text);
    return readSystemInstall(path);
  };
  try {
    const rest = 'owner = "dev"\nversion = "v1"\ninstalled_at = "then"\n';
    assert.deepEqual(read(`${SYSTEM_MARK}\nowner_uid = 1000\n${rest}`), {
      owner: 'dev',
      uid: 1000,
      version: 'v1',
      installedAt: 'then',
    });
    for (const text of [
      '',
      `owner_uid = 1000\n${rest}`,
      `${SYSTEM_MARK}\nowner_uid = 0\n${rest}`,
      `${SYSTEM_MARK}\nowner_uid = x\n${rest}`,
      `${SYSTEM_MARK}\n${rest}`,
    ])
      assert.equal(read(text), undefined, text);
    assert.equal(readSystemInstall(join(dir, 'absent')), undefined);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the paths of the service are those of the host, and ssh keeps those of the user', () => {
  const paths = servicePaths(resolvePaths({ HOME: '/home/dev', BANGER_MODE: 'user' }));
  assert.equal(paths.configFile, '/etc/banger/config.toml');
  assert.equal(paths.recordsFile, '/var/lib/banger/records.sqlite');
  assert.equal(paths.templatesDir, '/var/cache/banger/templates');
  assert.equal(paths.daemonSocket, '/run/banger/bangerd.sock');
  assert.equal(paths.sshConfigFile, '/home/dev/.config/banger/ssh_config');
});

test('BANGER_MODE must be a mode that this host has', () => {
  assert.throws(() => resolvePaths({ HOME: '/h', BANGER_MODE: 'root' }), {
    code: 'CONFIG_INVALID',
    message: /neither user nor system/,
  });
});
