import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { findProgram } from '../../src/base/process/programs.ts';
import { processEnvironment } from '../../src/config/settings.ts';
import type { Image } from '../../src/protocol/api/image.ts';
import type { ImageConfig } from '../../src/protocol/image/image-config.ts';
import { busyboxLayer } from '../e2e/support/busybox-layer.ts';
import { type Lab, openLab, type Ran } from '../e2e/support/lab.ts';
import { findStaticBusybox } from '../e2e/support/small-image.ts';
import { writeLayout } from './support/oci-layout.ts';
import { findRegistry, type RealRegistry, startRegistry } from './support/real-registry.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];
const LAYER_COUNT = 120;

const signal = neverAborts();

suite('the registry that Debian packages', { concurrency: false, timeout: 20 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: RealRegistry;
  let busybox: string;
  let why: string | undefined;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rr-'));
    lab = await openLab({ env: { REGISTRY_AUTH_FILE: join(dir, 'auth.json') } });
    const program = await findRegistry(join(dir, 'package'));
    const found = await findStaticBusybox();
    if (program === undefined) why = 'no docker-registry here, and apt has no package of it';
    else if (found === undefined) why = 'no statically linked busybox on this host (package busybox-static)';
    else if (!(await findProgram('skopeo', processEnvironment()))) why = 'no skopeo on this host';
    else {
      busybox = found;
      registry = await startRegistry(program, join(dir, 'registry'));
    }
  });
  after(async () => {
    if (why === undefined) {
      const images = JSON.parse(await lab.text(['image', 'list', '--json'])) as Image[];
      const ours = images.filter(({ name }) => name.startsWith(registry.host));
      for (const { name } of ours) await lab.run(['image', 'delete', '--force', name]);
      await registry[Symbol.asyncDispose]();
    }
    await lab[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  /** Writes the credentials file that `podman login` writes, or an empty one. */
  async function logIn(password: string | undefined): Promise<void> {
    const auth = Buffer.from(`${registry.user}:${password}`).toString('base64');
    const auths = password === undefined ? {} : { [registry.host]: { auth } };
    await writeFile(join(dir, 'auth.json'), JSON.stringify({ auths }));
  }

  /** Makes an image, pushes it with skopeo, and returns its reference. */
  async function push(
    name: string,
    image: { config: ImageConfig; layers: readonly Buffer[] },
    ...options: string[]
  ): Promise<string> {
    const layout = join(dir, 'layouts', name);
    await writeLayout(layout, image);
    const reference = `${registry.host}/test/${name}:1`;
    const { user, password } = registry;
    const words = ['--dest-tls-verify=false', '--dest-creds', `${user}:${password}`, ...options];
    await exec(['skopeo', 'copy', '--quiet', ...words, `oci:${layout}:1`, `docker://${reference}`], {
      signal,
    });
    return reference;
  }

  /** A tar of the files of `content`, in this order of folders. */
  async function layer(
    name: string,
    content: Readonly<Record<string, string>>,
    program?: string,
  ): Promise<Buffer> {
    const tree = join(dir, 'trees', name);
    await mkdir(tree, { recursive: true });
    for (const [path, text] of Object.entries(content)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text);
    }
    if (program !== undefined) await copyFile(busybox, join(tree, program));
    const words = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '-C', tree, '-c', '.'];
    return execFileSync('tar', words, { maxBuffer: 64 * 2 ** 20 });
  }

  const run = async (image: string, ...words: string[]): Promise<Ran> =>
    await lab.run(['vm', 'run', '--rm', '--cold', '--image', image, ...SMALL, ...words]);

  function canRun(t: TestContext): boolean {
    if (why !== undefined) t.skip(why);
    return why === undefined;
  }

  test('pulls need its credentials, and no image is left without', async (t) => {
    if (!canRun(t)) return;
    const layers = [await layer('locked', { file: 'x' })];
    const reference = await push('locked', { config: {}, layers });
    for (const password of [undefined, 'wrong']) {
      await logIn(password);
      const refused = await lab.run(['image', 'pull', '--json', reference]);
      assert.equal(refused.code, 1);
      assert.match(refused.stdout.toString() + refused.stderr, /REGISTRY_UNAUTHORIZED/);
      assert.ok(!`${refused.stdout}${refused.stderr}`.includes('wrong'));
      assert.notEqual((await lab.run(['image', 'show', reference])).code, 0);
    }
    await logIn(registry.password);
    assert.equal(await lab.text(['image', 'pull', reference]), `${reference}\n`);
  });

  test('an image with a small system: its user, folder and variables count', async (t) => {
    if (!canRun(t)) return;
    const layers = [
      await busyboxLayer(join(dir, 'small'), busybox),
      await layer('release', { 'etc/os-release': 'ID=small\n', 'srv/app/file': 'of the app\n' }),
    ];
    const config = { env: ['PATH=/bin', 'GREETING=hello'], user: 'app', workingDir: '/srv/app', cmd: ['sh'] };
    const reference = await push('small', { config, layers }, '--dest-compress-format', 'zstd');
    const ran = await run(reference, '--', 'sh', '-c', 'cat /etc/os-release file; id -un; echo $GREETING');
    assert.deepEqual(
      [ran.code, ran.stdout.toString()],
      [0, 'ID=small\nof the app\napp\nhello\n'],
      ran.stderr,
    );
  });

  test('an image with a program, users and certificates, and no shell', async (t) => {
    if (!canRun(t)) return;
    const files = {
      'etc/passwd': 'root:x:0:0::/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n',
      'etc/group': 'root:x:0:\nnonroot:x:65532:\n',
      'etc/ssl/certs/ca-certificates.crt': '',
      'home/nonroot/.keep': '',
    };
    const layers = [await layer('distroless', files), await layer('program', {}, 'id')];
    const reference = await push('distroless', {
      config: { user: 'nonroot', entrypoint: ['/id'], cmd: ['-u'] },
      layers,
    });
    const ran = await run(reference);
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, '65532\n'], ran.stderr);
    assert.match(ran.stderr, /no shell; running its own program: \/id -u/);
  });

  test('an image with one static program and nothing else', async (t) => {
    if (!canRun(t)) return;
    const layers = [await layer('scratch', {}, 'echo')];
    const reference = await push('scratch', { config: { entrypoint: ['/echo', 'only'] }, layers });
    const ran = await run(reference, '--entrypoint', '--', 'me');
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, 'only me\n'], ran.stderr);
  });

  test(`an image with ${LAYER_COUNT} layers, each of which removes a file of the one before`, async (t) => {
    if (!canRun(t)) return;
    const layers = [await busyboxLayer(join(dir, 'many'), busybox)];
    for (let at = 1; at < LAYER_COUNT; at += 1) {
      const removed = at > 1 ? { [`data/.wh.${at - 1}`]: '' } : {};
      layers.push(await layer(`layer-${at}`, { [`data/${at}`]: `${at}\n`, last: `${at}\n`, ...removed }));
    }
    const reference = await push('many', { config: { env: ['PATH=/bin'] }, layers });
    const ran = await run(reference, '--', 'sh', '-c', 'ls /data; cat /last');
    assert.deepEqual([ran.code, ran.stdout.toString()], [0, `${LAYER_COUNT - 1}\n`.repeat(2)], ran.stderr);
  });

  test('an image that banger pushes is the one that skopeo then reads', async (t) => {
    if (!canRun(t)) return;
    const from = `${registry.host}/test/small:1`;
    const to = `${registry.host}/copies/small:2`;
    await lab.text(['image', 'push', from, to]);
    const inspected = async (reference: string): Promise<{ Digest: string; Layers: string[] }> => {
      const words = ['--tls-verify=false', '--creds', `${registry.user}:${registry.password}`];
      const { stdout } = await exec(['skopeo', 'inspect', ...words, `docker://${reference}`], { signal });
      return JSON.parse(stdout.toString()) as { Digest: string; Layers: string[] };
    };
    const [before, copy] = [await inspected(from), await inspected(to)];
    assert.deepEqual([copy.Digest, copy.Layers], [before.Digest, before.Layers]);
  });
});
