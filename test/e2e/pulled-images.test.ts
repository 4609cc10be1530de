import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import type { Image } from '../../src/protocol/api/image.ts';
import { type Lab, openLab } from './support/lab.ts';
import { openRegistry, type TestRegistry } from './support/registry.ts';
import { findStaticBusybox } from './support/small-image.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];
const APPLETS = ['cat', 'id', 'ls', 'pwd', 'sh', 'stat'];

suite('images from a registry', { concurrency: false, timeout: 9 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: TestRegistry;
  let busybox: string | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pi-'));
    lab = await openLab();
    registry = await openRegistry();
    busybox = await findStaticBusybox();
  });
  after(async () => {
    const ours = (await images()).filter(
      ({ name }) => name.startsWith(registry.host) || name === 'pulled-tiny',
    );
    for (const { name } of ours) await lab.run(['image', 'delete', '--force', name]);
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  const images = async (): Promise<Image[]> =>
    JSON.parse(await lab.text(['image', 'list', '--json'])) as Image[];

  /** Skips, and says why, on a host without the one program of the images. */
  function program(t: TestContext): string | undefined {
    if (busybox === undefined) t.skip('no statically linked busybox on this host (package busybox-static)');
    return busybox;
  }

  /** A tar of the tree that `fill` makes; everything belongs to `owner`. */
  async function layer(name: string, owner: number, fill: (tree: string) => Promise<void>): Promise<Buffer> {
    const tree = join(dir, name);
    await mkdir(tree);
    await fill(tree);
    const options = ['--sort=name', `--owner=${owner}`, `--group=${owner}`, '--numeric-owner'];
    return execFileSync('tar', [...options, '-C', tree, '-c', '.'], { maxBuffer: 64 * 2 ** 20 });
  }

  async function putApp(host: string): Promise<string> {
    const system = await layer('system', 0, async (tree) => {
      await mkdir(join(tree, 'bin'));
      await copyFile(host, join(tree, 'bin/busybox'));
      for (const applet of APPLETS) await symlink('busybox', join(tree, 'bin', applet));
      await mkdir(join(tree, 'etc'));
      await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv:/bin/sh\n');
      await mkdir(join(tree, 'opt/tools'), { recursive: true });
      await writeFile(join(tree, 'opt/tools/hello'), '#!/bin/sh\necho "hello $GREETING"\n');
      await chmod(join(tree, 'opt/tools/hello'), 0o755);
      await writeFile(join(tree, 'etc/removed'), 'by the next layer\n');
    });
    const own = await layer('own', 1000, async (tree) => {
      await mkdir(join(tree, 'srv'));
      await writeFile(join(tree, 'srv/file'), 'of the app\n');
      await mkdir(join(tree, 'etc'));
      await writeFile(join(tree, 'etc/.wh.removed'), '');
    });
    return registry.put('test/app', {
      tag: '1',
      layers: [system, own],
      config: {
        env: ['PATH=/opt/tools:/bin', 'GREETING=from the "image"'],
        user: 'app',
        workingDir: '/srv',
        cmd: ['sh'],
      },
    });
  }

  test('vm run pulls a missing image, and its user, folder, environment and layers are right', async (t) => {
    const host = program(t);
    if (host === undefined) return;
    const reference = await putApp(host);
    const script = 'id -un; id -g; pwd; hello; cat file; stat -c %u file; ls /etc; echo "$PATH"';
    const ran = await lab.run([
      'vm',
      'run',
      '-v',
      '--rm',
      '--cold',
      '--image',
      reference,
      ...SMALL,
      '--',
      'sh',
      '-c',
      script,
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    const [user, group, folder, hello, file, owner, ...rest] = ran.stdout.toString().split('\n');
    assert.deepEqual([user, group, folder, hello], ['app', '1000', '/srv', 'hello from the "image"']);
    assert.deepEqual([file, owner], ['of the app', '1000']);
    assert.ok(rest.includes('passwd') && !rest.includes('removed'), rest.join(' '));
    assert.match(rest.at(-2) ?? '', /^(\/srv\/\.local\/bin:)?\/opt\/tools:\/bin$/);
    assert.match(ran.stderr, /is not here yet: pulling it/);
    assert.match(ran.stderr, /pull: .*layers/);
    const image = JSON.parse(await lab.text(['image', 'show', reference])) as Image;
    assert.equal(image.name, reference);
    assert.deepEqual(image.origin, { kind: 'registry', from: reference });
    assert.equal(image.config?.user, 'app');
  });

  test('an image that is here starts without the registry, warm too, and cannot be deleted while used', async (t) => {
    if (program(t) === undefined) return;
    const reference = `${registry.host}/test/app:1`;
    const before = registry.layerRequests;
    await lab.text(['vm', 'run', '-d', '--name', 'pulled', '--image', reference, ...SMALL]);
    assert.equal(registry.layerRequests, before);
    assert.equal(
      await lab.text(['vm', 'exec', 'pulled', '--', 'sh', '-lc', 'hello; id -un']),
      'hello from the "image"\nroot\n',
    );
    const asked = [
      'vm',
      'exec',
      '-u',
      'app:0',
      '-e',
      'GREETING=mine',
      'pulled',
      '--',
      'sh',
      '-c',
      'hello; id -g',
    ];
    assert.equal(await lab.text(asked), 'hello mine\n0\n');
    const refused = await lab.run(['image', 'delete', '--json', reference]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr + refused.stdout.toString(), /IMAGE_IN_USE/);
    await lab.text(['vm', 'delete', 'pulled']);
  });

  test('an image with one static program and no shell runs that', async (t) => {
    const host = program(t);
    if (host === undefined) return;
    const only = await layer('only', 0, async (tree) => {
      await copyFile(host, join(tree, 'echo'));
    });
    const config = { entrypoint: ['/echo'], cmd: ['its own', 'program'] };
    const reference = registry.put('test/scratch', { tag: 'latest', layers: [only], config });
    await lab.text(['image', 'pull', '--name', 'pulled-tiny', reference]);
    const ran = await lab.run(['vm', 'run', '--rm', '--cold', '--image', 'pulled-tiny', ...SMALL]);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, 'its own program\n'], ran.stderr);
    assert.match(ran.stderr, /no shell; running its own program: \/echo its own program/);
  });

  test('what a registry does wrong is named, and leaves no image', async (t) => {
    if (program(t) === undefined) return;
    const tiny = await layer('tiny', 0, (tree) => writeFile(join(tree, 'file'), 'x'.repeat(100_000)));
    const reference = registry.put('test/faulty', { tag: '1', layers: [tiny], config: {} });
    const codeOf = async (wanted: string): Promise<string> => {
      const ran = await lab.run(['image', 'pull', '--json', wanted]);
      assert.equal(ran.code, 1, ran.stderr);
      return /"code": ?"([A-Z_]+)"/.exec(ran.stdout.toString() + ran.stderr)?.[1] ?? ran.stderr;
    };
    for (const [fault, code] of [
      ['half a layer', 'REGISTRY_BAD_ANSWER'],
      ['another digest', 'REGISTRY_BAD_ANSWER'],
      ['wants credentials', 'REGISTRY_UNAUTHORIZED'],
      ['fails', 'REGISTRY_BAD_ANSWER'],
    ] as const) {
      registry.fault = fault;
      assert.equal(await codeOf(reference), code, fault);
    }
    registry.fault = undefined;
    assert.equal(await codeOf(`${registry.host}/test/faulty:none`), 'REGISTRY_NOT_FOUND');
    assert.equal(await codeOf('127.0.0.1:9/x:1'), 'REGISTRY_UNREACHABLE');
    assert.deepEqual(
      (await images()).filter(({ name }) => name.includes('faulty')),
      [],
    );
    const { imagesDir } = lab.paths;
    const staged = (await readdir(join(imagesDir, '.staging'))).filter((name) => !name.includes('.lock'));
    assert.deepEqual(staged, []);
    await lab.text(['image', 'pull', reference]);
    await lab.text(['image', 'delete', reference]);
    await assert.rejects(lab.text(['image', 'show', reference]));
  });
});
