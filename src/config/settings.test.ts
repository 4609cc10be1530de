import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadSettings } from './load-settings.ts';
import { resolvePaths } from './settings.ts';

const HOST = { cpuCount: 8, memoryMib: 16_384 };

test('without XDG variables everything is below the home folder', () => {
  const paths = resolvePaths({ HOME: '/home/me' });
  assert.equal(paths.configFile, '/home/me/.config/banger/config.toml');
  assert.equal(paths.imagesDir, '/home/me/.local/share/banger/images');
  assert.equal(paths.recordsFile, '/home/me/.local/state/banger/records.sqlite');
  assert.equal(paths.vmmCacheDir, '/home/me/.cache/banger/vmm');
  assert.equal(paths.daemonSocket, '/home/me/.local/state/banger/run/bangerd.sock');
});

test('XDG variables win, and empty ones are ignored', () => {
  const paths = resolvePaths({
    HOME: '/h',
    XDG_CONFIG_HOME: '/c',
    XDG_DATA_HOME: '/d',
    XDG_STATE_HOME: '/s',
    XDG_CACHE_HOME: '',
    XDG_RUNTIME_DIR: '/r',
  });
  const { configFile, dataDir, stateDir, cacheDir, daemonSocket } = paths;
  assert.deepEqual(
    [configFile, dataDir, stateDir, cacheDir, daemonSocket],
    ['/c/banger/config.toml', '/d/banger', '/s/banger', '/h/.cache/banger', '/s/banger/run/bangerd.sock'],
  );
});

test('a variable with a relative path is refused with its name', () => {
  for (const name of ['XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR']) {
    const refused = { code: 'CONFIG_PATH_INVALID', message: new RegExp(name) };
    assert.throws(() => resolvePaths({ HOME: '/h', [name]: 'relative' }), refused);
  }
});

test('a user has the same socket folder in every session, and other places if the state folder cannot hold sockets', () => {
  const env = { HOME: '/h' };
  const [with_, without] = [resolvePaths({ ...env, XDG_RUNTIME_DIR: '/r' }), resolvePaths(env)];
  assert.equal(with_.daemonSocket, without.daemonSocket);
  const uid = process.getuid?.();
  assert.deepEqual(with_.runtimeHomes, [`/tmp/banger-runtime-${uid}`, '/r', `/run/user/${uid}`]);
  assert.deepEqual(without.runtimeHomes, [`/tmp/banger-runtime-${uid}`, `/run/user/${uid}`]);
});

test('settings come from the file; the variable for the log level wins', () => {
  const home = mkdtempSync(join(tmpdir(), 'settings-'));
  const env = { HOME: home };
  assert.deepEqual(
    [loadSettings(env, HOST).defaultImage, loadSettings(env, HOST).logLevel],
    ['debian-bookworm', 'info'],
  );
  const file = join(home, '.config/banger/config.toml');
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, 'log_level = "warn"\ndefault_image_name = "mine"\nvm_defaults.disk_size = "1G"');
  const settings = loadSettings(env, HOST);
  assert.deepEqual([settings.defaultImage, settings.logLevel], ['mine', 'warn']);
  assert.deepEqual(settings.vmDefaults.diskSizeBytes, { value: 2 ** 30, from: 'config' });
  assert.equal(loadSettings({ ...env, BANGER_LOG_LEVEL: 'debug' }, HOST).logLevel, 'debug');
  assert.throws(() => loadSettings({ ...env, BANGER_LOG_LEVEL: 'x' }, HOST), { code: 'CONFIG_INVALID' });
  assert.equal(loadSettings(env, HOST).accelerator, undefined);
  writeFileSync(file, 'accelerator = "kvm"');
  assert.equal(loadSettings(env, HOST).accelerator, 'kvm');
  assert.equal(loadSettings({ ...env, BANGER_ACCELERATOR: 'tcg' }, HOST).accelerator, 'tcg');
  assert.throws(() => loadSettings({ ...env, BANGER_ACCELERATOR: 'xen' }, HOST), { code: 'CONFIG_INVALID' });
  rmSync(file);
  mkdirSync(file);
  assert.throws(() => loadSettings(env, HOST), { code: 'CONFIG_INVALID' });
  rmSync(home, { recursive: true });
});

test('unused VMs are stopped only when the config file sets a time', () => {
  const home = mkdtempSync(join(tmpdir(), 'settings-'));
  const dir = join(home, '.config', 'banger');
  mkdirSync(dir, { recursive: true });
  const afterMs = (source: string): number | undefined => {
    writeFileSync(join(dir, 'config.toml'), source);
    return loadSettings({ HOME: home }, HOST).autoStopStaleAfterMs;
  };
  assert.equal(afterMs(''), undefined);
  assert.equal(afterMs('auto_stop_stale_after = "0"'), undefined);
  assert.equal(afterMs('auto_stop_stale_after = "2h"'), 7_200_000);
  rmSync(home, { recursive: true });
});

test('VMs are measured every 10 s, as often as the config file says, or never', () => {
  const home = mkdtempSync(join(tmpdir(), 'settings-'));
  const dir = join(home, '.config', 'banger');
  mkdirSync(dir, { recursive: true });
  const pollMs = (source: string): number | undefined => {
    writeFileSync(join(dir, 'config.toml'), source);
    return loadSettings({ HOME: home }, HOST).statsPollMs;
  };
  assert.equal(pollMs(''), 10_000);
  assert.equal(pollMs('stats_poll_interval = "1m"'), 60_000);
  assert.equal(pollMs('stats_poll_interval = "0"'), undefined);
  assert.equal(loadSettings({ HOME: home }, HOST).autoSuspendAfterMs, undefined);
  pollMs('auto_suspend_after = "20m"');
  assert.equal(loadSettings({ HOME: home }, HOST).autoSuspendAfterMs, 1_200_000);
  rmSync(home, { recursive: true });
});

test('guests get neither certificates nor proxies of the host unless the file says so', () => {
  const dir = mkdtempSync(join(tmpdir(), 'settings-'));
  try {
    const read = (source: string): boolean[] => {
      mkdirSync(join(dir, 'banger'), { recursive: true });
      writeFileSync(join(dir, 'banger', 'config.toml'), source);
      const settings = loadSettings({ HOME: dir, XDG_CONFIG_HOME: dir }, HOST);
      return [settings.hasHostAuthorities, settings.hasProxies];
    };
    assert.deepEqual(read(''), [false, false]);
    assert.deepEqual(read('[guest]\nhost_ca = true\n'), [true, false]);
    assert.deepEqual(read('[guest]\nhost_ca = false\nproxy = true\n'), [false, true]);
    assert.throws(() => read('[guest]\nproxy = "http://somewhere"\n'), {
      code: 'CONFIG_INVALID',
      message: /"guest.proxy" must be true or false/,
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
