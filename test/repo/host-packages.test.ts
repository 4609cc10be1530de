import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts');

/** Programs that the scripts call and that are not under test. */
const REAL_TOOLS = [
  'bash',
  'cat',
  'chmod',
  'dirname',
  'env',
  'grep',
  'sh',
  'sort',
  'tail',
  'tr',
  'true',
  'uname',
];

/** Programs that the fake host already has, so that exactly qemu-utils and git are missing. */
const PRESENT = ['qemu-system-x86_64', 'qemu-system-aarch64', 'mmdebstrap', 'mkfs.ext4', 'newuidmap'];
const ALSO_PRESENT = ['unshare', 'flock', 'ssh-keygen', 'tar'];

/** An apt-get that prints its arguments and installs the packages into the fake host. */
const APT_GET =
  'echo "apt-get $*"\ncase $* in *install*) for t in git qemu-img; do printf "#!/bin/sh\\n" >"$FAKE/$t"; chmod +x "$FAKE/$t"; done ;; esac';

describe('ensure_host_packages', () => {
  let fake: string;

  beforeEach(async () => {
    fake = await mkdtemp(join(tmpdir(), 'host-'));
    for (const tool of REAL_TOOLS) await symlink(`/bin/${tool}`, join(fake, tool));
    for (const tool of [...PRESENT, ...ALSO_PRESENT]) await put(tool, '');
    await put('id', 'case $1 in -u) echo 0 ;; -un) echo root ;; esac');
    await put('apt-get', APT_GET);
  });

  afterEach(async () => {
    await rm(fake, { recursive: true });
  });

  async function put(name: string, script: string): Promise<void> {
    await writeFile(join(fake, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  function ensure() {
    const script = `. "$1/lib.sh"; . "$1/setup/host-packages.sh"; ensure_host_packages "$FAKE/log" host_tools`;
    const run = spawnSync('/bin/bash', ['--norc', '-euo', 'pipefail', '-c', script, 'test', SCRIPTS], {
      env: { PATH: fake, FAKE: fake },
      encoding: 'utf8',
    });
    return { status: run.status, text: run.stdout + run.stderr };
  }

  function packageManagerOutput(): string {
    return readFileSync(join(fake, 'log'), 'utf8');
  }

  test('installs missing packages as root, and nothing the second time', () => {
    const first = ensure();
    assert.equal(first.status, 0, first.text);
    assert.equal(first.text, '==> installing with apt: git qemu-utils\n');
    assert.match(packageManagerOutput(), /^apt-get -q \S+ \S+ update\n/m);
    assert.match(
      packageManagerOutput(),
      /^apt-get -q .* install -y --no-install-recommends git qemu-utils\n/m,
    );
    assert.deepEqual(ensure(), { status: 0, text: '' });
  });

  test('uses sudo as an ordinary user, after it has said why', async () => {
    await put('id', 'case $1 in -u) echo 1000 ;; -un) echo ann ;; esac');
    await put('sudo', '[ "$1" = -n ] && shift; echo "sudo: $1"; exec "$@"');
    const { status, text } = ensure();
    assert.equal(status, 0, text);
    assert.equal(text, '==> installing with apt (through sudo): git qemu-utils\n');
    assert.match(packageManagerOutput(), /^sudo: env\n/);
  });

  test('fails with the exact command as an ordinary user who may not use sudo', async () => {
    await put('id', 'case $1 in -u) echo 1000 ;; -un) echo ann ;; esac');
    await put('sudo', 'exit 1');
    const { status, text } = ensure();
    assert.equal(status, 1);
    assert.match(text, /^error: Cannot install git qemu-utils: that needs root/);
    assert.match(
      text,
      /hint: as root: apt-get update && apt-get install -y --no-install-recommends git qemu-utils\n$/,
    );
  });

  test('fails when the package manager fails, and when it installs too little', async () => {
    await put('apt-get', 'echo "E: out of luck"; exit 100');
    assert.match(
      ensure().text,
      /\nE: out of luck\nerror: Cannot install git qemu-utils: apt failed, see above/,
    );
    await put('apt-get', 'exit 0');
    const { status, text } = ensure();
    assert.equal(status, 1);
    assert.match(text, /error: Cannot continue: apt succeeded, but git qemu-utils still lacks its programs/);
  });

  test('names the packages of dnf on a host with dnf', async () => {
    await rm(join(fake, 'apt-get'));
    await put('dnf', APT_GET.replace('apt-get', 'dnf'));
    assert.equal(ensure().text, '==> installing with dnf: git qemu-img\n');
    assert.equal(packageManagerOutput(), 'dnf install -y git qemu-img\n');
  });

  test('says what to install on a host without a known package manager', async () => {
    await rm(join(fake, 'apt-get'));
    const { status, text } = ensure();
    assert.equal(status, 1);
    assert.match(text, /Cannot install git qemu-utils: no known package manager here/);
  });
});
