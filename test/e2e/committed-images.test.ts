import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Image } from '../../src/protocol/api/image.ts';
import { type Lab, openLab } from './support/lab.ts';
import { openRegistry, type TestRegistry } from './support/registry.ts';
import { findStaticBusybox } from './support/small-image.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];
const APPLETS = ['cat', 'id', 'ls', 'mkdir', 'rm', 'sh', 'stat', 'sync'];
const NAMES = [
  'committed-base',
  'committed-running',
  'committed-stopped',
  'committed-again',
  'committed-tree',
];

/** What a user changes in a VM's root. */
const CHANGES = [
  'echo new > /etc/new && echo token > /srv/token',
  'rm /etc/removed && mkdir /opt/own && echo own > /opt/own/file && ls -i /opt/own >/dev/null',
  'echo more >> /etc/passwd && echo passing > /tmp/left && echo home > /root/home',
].join(' && ');

/** What must be in an image of that VM, and what must not. */
const CHECK = [
  'cat /etc/new /opt/own/file',
  'ls /etc/removed /root/home 2>&1 | cat',
  'cat /etc/hostname /srv/token; true',
].join('; ');

suite('images of VMs', { concurrency: false, timeout: 9 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: TestRegistry;
  let tree: string | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ci-'));
    lab = await openLab();
    registry = await openRegistry();
    tree = await makeTree(dir);
  });
  after(async () => {
    for (const name of ['commit-vm', 'commit-two']) await lab.run(['vm', 'delete', '-f', name]);
    const images = JSON.parse(await lab.text(['image', 'list', '--json'])) as Image[];
    const ours = images.filter(({ name }) => NAMES.includes(name) || name.startsWith(registry.host));
    for (const { name } of ours) await lab.run(['image', 'delete', '--force', name]);
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  /** What a script prints in a new VM, which needs no template: it is the only one of its image. */
  const inImage = async (name: string, script: string): Promise<string> =>
    await lab.text(['vm', 'run', '--rm', '--cold', '--image', name, ...SMALL, '--', 'sh', '-c', script]);

  test('a VM that runs, is suspended or stopped becomes an image that boots, without what is its own', async (t) => {
    if (tree === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    await lab.text(['image', 'import', '--name', 'committed-base', tree]);
    await lab.text(['vm', 'run', '-d', '--name', 'commit-vm', '--image', 'committed-base', ...SMALL]);
    await lab.text(['vm', 'exec', 'commit-vm', '--', 'sh', '-c', CHANGES]);
    const made = await lab.run(['image', 'commit', '-v', 'commit-vm', 'committed-running']);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stderr, /one layer on top of those of image "committed-base"/);
    assert.match(made.stderr, /left out, because it belongs to this VM alone: .*\/etc\/hostname/);
    assert.equal((await lab.text(['vm', 'exec', 'commit-vm', '--', 'cat', '/etc/new'])).toString(), 'new\n');
    const taken = await lab.run(['image', 'commit', '--json', 'commit-vm', 'committed-running']);
    assert.match(taken.stderr + taken.stdout.toString(), /IMAGE_EXISTS/);
    await lab.text(['vm', 'suspend', 'commit-vm']);
    await lab.text(['image', 'commit', '--force', 'commit-vm', 'committed-stopped']);
    await lab.text(['vm', 'resume', 'commit-vm']);
    assert.equal((await lab.text(['vm', 'exec', 'commit-vm', '--', 'cat', '/etc/new'])).toString(), 'new\n');
    await lab.text(['vm', 'exec', 'commit-vm', '--', 'sh', '-c', 'echo later > /etc/new; rm /srv/token']);
    await lab.text(['vm', 'stop', 'commit-vm']);
    await lab.text(['image', 'commit', '--force', 'commit-vm', 'committed-stopped']);
    const running = await inImage('committed-running', CHECK);
    assert.match(running, /^new\nown\n/);
    assert.match(running, /removed: No such file.*home: No such file/s);
    assert.match(running, /\ntoken\n$/);
    assert.ok(!running.includes('commit-vm'), running);
    assert.match(await inImage('committed-stopped', CHECK), /^later\nown\n/);
    const image = JSON.parse(await lab.text(['image', 'show', 'committed-stopped'])) as Image;
    assert.deepEqual(image.origin, { kind: 'commit', from: 'commit-vm' });
  });

  test('such an image is pushed as one layer, and comes back through a registry and an archive', async (t) => {
    if (tree === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const base = `${registry.host}/team/base:1`;
    const own = `${registry.host}/team/base:2`;
    await lab.text(['image', 'push', 'committed-base', base]);
    const before = registry.uploads;
    const pushed = JSON.parse(await lab.text(['image', 'push', '--json', 'committed-stopped', own])) as {
      uploaded: number;
      present: number;
      digest: string;
    };
    assert.deepEqual([pushed.uploaded, pushed.present], [1, 1]);
    assert.equal(registry.uploads - before, 2, 'a layer and a configuration');
    await lab.text(['image', 'pull', own]);
    assert.match(await inImage(own, 'cat /etc/new'), /^later\n/);
    const archive = join(dir, 'image.tar');
    await lab.text(['image', 'export', '-o', archive, 'committed-stopped']);
    assert.match(execFileSync('tar', ['-xOf', archive, 'index.json']).toString(), new RegExp(pushed.digest));
    await lab.text(['image', 'import', '--name', 'committed-again', `oci-archive:${archive}`]);
    const [one, two] = await Promise.all(
      ['committed-again', own].map(
        async (name) => JSON.parse(await lab.text(['image', 'show', name])) as Image,
      ),
    );
    assert.equal(one?.digest, two?.digest);
    assert.equal(one?.digest, pushed.digest);
  });

  test('what images take is shown, and a registered file is copied when it is asked for', async (t) => {
    if (tree === undefined)
      return t.skip('no statically linked busybox on this host (package busybox-static)');
    const usage = JSON.parse(await lab.text(['image', 'df', '--json'])) as {
      images: { name: string; uniqueBytes: number; sharedBytes: number }[];
    };
    const found = usage.images.find(({ name }) => name === 'committed-stopped');
    assert.ok(found && found.sharedBytes > 0, JSON.stringify(found));
    const base = JSON.parse(await lab.text(['image', 'show', 'committed-base'])) as Image & { id: string };
    const blob = join(lab.paths.imagesDir, '.blobs', base.id.slice('sha256:'.length), 'rootfs.ext4');
    const file = join(dir, 'own.ext4');
    await copyFile(blob, file);
    await lab.text(['image', 'register', '--name', 'committed-tree', file]);
    await lab.text(['image', 'promote', 'committed-tree']);
    await rm(file);
    assert.match(await inImage('committed-tree', 'cat /etc/hostname'), /./);
    const shown = JSON.parse(await lab.text(['image', 'show', 'committed-tree'])) as Image;
    assert.equal(shown.managed, true);
    assert.equal(await readFile(file).catch(() => undefined), undefined);
  });
});

/** A small root file system as a folder; `undefined` on a host without the one program in it. */
async function makeTree(dir: string): Promise<string | undefined> {
  const busybox = await findStaticBusybox();
  if (busybox === undefined) return undefined;
  const tree = join(dir, 'tree');
  for (const folder of ['bin', 'etc', 'opt', 'root', 'srv', 'tmp']) {
    await mkdir(join(tree, folder), { recursive: true });
  }
  await copyFile(busybox, join(tree, 'bin/busybox'));
  await chmod(join(tree, 'bin/busybox'), 0o755);
  for (const applet of APPLETS) await symlink('busybox', join(tree, 'bin', applet));
  await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  await writeFile(join(tree, 'etc/removed'), 'by the user\n');
  return tree;
}
