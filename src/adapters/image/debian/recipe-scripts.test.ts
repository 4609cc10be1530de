import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exec } from '../../../base/process/exec.ts';
import { customizeScript, dpkgOptions, essentialScript, finishScript } from './recipe-scripts.ts';
import { debianBookworm } from './recipes/debian-bookworm.ts';
import { RECIPES } from './recipes.ts';

const scripts = RECIPES.flatMap((recipe) => [
  essentialScript(),
  customizeScript(recipe, 'amd64'),
  customizeScript(recipe, 'arm64'),
  finishScript(recipe),
]);

test('a POSIX shell accepts every script, and every script stops at the first error', async () => {
  for (const text of scripts) {
    await exec(['dash', '-n'], { input: text, signal: AbortSignal.timeout(20_000) });
    assert.match(text, /^#!\/bin\/sh\nset -eu\n/);
  }
});

test('nothing outside the image is removed', () => {
  for (const { removed } of RECIPES) {
    for (const pattern of removed) {
      assert.ok(
        !pattern.startsWith('/') && !pattern.split('/').includes('..') && !/[\s$`;&|]/.test(pattern),
        pattern,
      );
    }
  }
});

test('the default image contains no secrets and nothing that only its build needed', () => {
  const gone = debianBookworm.removed.join(' ');
  for (const part of ['etc/ssh/ssh_host_', 'root/.ssh', 'random-seed', '99mmdebstrap', 'dev/*'])
    assert.ok(gone.includes(part), part);
  assert.match(finishScript(debianBookworm), /^: > etc\/machine-id$/m);
});

test('Docker and sshd are started by their sockets, not at boot', () => {
  const text = customizeScript(debianBookworm, 'amd64');
  assert.match(text, /systemctl --quiet enable docker\.socket ssh\.socket/);
  for (const unit of ['docker.service', 'containerd.service', 'ssh.service']) {
    assert.match(text, new RegExp(`systemctl --quiet disable .*${unit}`));
  }
});

test('no unit is both enabled and disabled, and each has a reason', () => {
  for (const { enabledUnits, offUnits } of RECIPES) {
    const off = offUnits.map(({ unit }) => unit);
    assert.equal(new Set(off).size, off.length);
    assert.deepEqual(
      enabledUnits.filter((unit) => off.includes(unit)),
      [],
    );
    assert.ok(offUnits.every(({ why }) => why.length > 5));
  }
});

test('dpkg gets the excluded paths and their exceptions', () => {
  const lines = dpkgOptions(debianBookworm).trim().split('\n').slice(1);
  assert.ok(lines.includes('path-exclude=/usr/share/man/*'));
  // The last match counts (dpkg(1)), so exceptions must follow.
  assert.ok(
    lines.indexOf('path-include=/usr/share/doc/*/copyright') > lines.indexOf('path-exclude=/usr/share/doc/*'),
  );
});
