import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Image } from '../../src/protocol/api/image.ts';
import { type Lab, openLab } from '../e2e/support/lab.ts';
import { openRegistry, type TestRegistry } from '../e2e/support/registry.ts';
import { findStaticBusybox } from '../e2e/support/small-image.ts';
import { until } from '../support/until.ts';

const SMALL = ['--memory', '256', '--vcpu', '1', '--disk-size', '64M', '--system-overlay-size', '64M'];
const APPLETS = 'cat chmod cp date env grep id ls mkdir pwd rm sed sh sha256sum sleep sort touch wc'.split(
  ' ',
);
const SECRET = 'the-secret-of-the-test-4711';

/** The Dockerfile must not name the secret: it is on the builder's disk, and its steps are printed. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A project with two stages: the first makes a program of its sources, the second contains only that. */
const DOCKERFILE = `
ARG BASE
FROM \${BASE} AS build
ARG WHO=nobody
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/cache echo run >> /cache/runs && wc -l < /cache/runs > /runs
RUN --mount=type=secret,id=token sha256sum /run/secrets/token | grep -q ${digestOf(SECRET)}
RUN mkdir /out && sed "s/@WHO@/$WHO/" main.sh > /out/app && chmod 755 /out/app && cp /runs /out/runs

FROM build AS check
RUN exit 3

FROM \${BASE}
COPY --from=build /out/ /opt/app/
RUN id -u > /opt/app/uid && ls /src > /opt/app/src 2>&1 || true
ENV PATH=/opt/app:/bin GREETING=hello
USER app
WORKDIR /opt/app
CMD ["app"]
`;

suite('Dockerfiles', { concurrency: false, timeout: 40 * 60_000 }, () => {
  let dir: string;
  let lab: Lab;
  let registry: TestRegistry;
  let busybox: string | undefined;
  let base: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'df-'));
    lab = await openLab();
    registry = await openRegistry();
    busybox = await findStaticBusybox();
    if (busybox !== undefined) base = await putBase(busybox);
    await put('project/main.sh', '#!/bin/sh\necho "$GREETING @WHO@"\n');
    await put('project/Dockerfile', DOCKERFILE);
    await put('project/.dockerignore', 'node_modules\n*.md\n');
    await put('project/README.md', 'not sent');
    await put('project/node_modules/big', 'not sent');
    await put('token', SECRET);
  });
  after(async () => {
    const made = (await images()).filter(
      ({ name }) => name.startsWith(registry.host) || name.startsWith('built-'),
    );
    for (const { name } of made) await lab.run(['image', 'delete', '--force', name]);
    await lab[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  async function put(path: string, content: string): Promise<void> {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }

  async function putBase(host: string): Promise<string> {
    const tree = join(dir, 'base');
    await mkdir(join(tree, 'bin'), { recursive: true });
    await copyFile(host, join(tree, 'bin/busybox'));
    for (const applet of APPLETS) await symlink('busybox', join(tree, 'bin', applet));
    for (const folder of ['etc', 'tmp', 'proc', 'sys', 'dev', 'run']) await mkdir(join(tree, folder));
    await writeFile(join(tree, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n');
    await writeFile(join(tree, 'etc/group'), 'root:x:0:\napp:x:1000:\n');
    const words = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '-C', tree, '-c', '.'];
    const layer = execFileSync('tar', words, { maxBuffer: 64 * 2 ** 20 });
    const config = { env: ['PATH=/bin'], cmd: ['sh'] };
    return registry.put('test/base', { tag: '1', layers: [layer], config });
  }

  const images = async (...words: string[]): Promise<Image[]> =>
    JSON.parse(await lab.text(['image', 'list', '--json', ...words])) as Image[];

  const build = (...words: string[]): string[] => [
    ...['image', 'build', '-f', join(dir, 'project/Dockerfile'), join(dir, 'project')],
    ...['--build-arg', `BASE=${base}`, '--secret', `id=token,src=${join(dir, 'token')}`, ...words],
  ];

  /** Skips, and says why, on a host without the one program of the images. */
  function canBuild(t: TestContext): boolean {
    if (busybox === undefined) t.skip('no statically linked busybox on this host (package busybox-static)');
    return busybox !== undefined;
  }

  test('a project with two stages is built in a VM and run', async (t) => {
    if (!canBuild(t)) return;
    // The first build of a host makes the system that builds.
    const words = build('--name', 'built-app', '--build-arg', 'WHO=world');
    const built = await lab.run(words, { deadlineMs: 20 * 60_000 });
    assert.equal(built.code, 0, built.stderr);
    assert.equal(built.stdout.toString(), 'built-app\n');
    assert.match(built.stderr, /STEP/);
    assert.ok(!built.stderr.includes(SECRET));
    const ran = await lab.run([
      'vm',
      'run',
      '--rm',
      '--cold',
      '--image',
      'built-app',
      ...SMALL,
      '--',
      'sh',
      '-c',
      'app; id -un; cat runs uid',
    ]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(ran.stdout.toString(), 'hello world\napp\n1\n0\n');
    const image = JSON.parse(await lab.text(['image', 'show', 'built-app'])) as Image;
    assert.deepEqual(image.origin, { kind: 'dockerfile', from: join(dir, 'project/Dockerfile') });
    assert.deepEqual(image.config?.cmd, ['app']);
  });

  test('the system that builds is hidden, stopped, and without the secret on its disk', async (t) => {
    if (!canBuild(t)) return;
    assert.ok(!(await images()).some(({ name }) => name === 'banger-builder'));
    assert.ok((await images('--all')).some(({ name }) => name === 'banger-builder'));
    assert.deepEqual(JSON.parse(await lab.text(['vm', 'list', '--json'])), []);
    const all = JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as {
      name: string;
      state: string;
      id: string;
    }[];
    assert.deepEqual(
      all.map(({ name, state }) => [name, state]),
      [['banger-builder', 'stopped']],
    );
    const folder = join(lab.paths.vmsDir, all[0]?.id ?? '');
    for (const name of await readdir(folder)) {
      const found = execFileSync('sh', [
        '-c',
        'grep -c -a -F "$1" "$2" || true',
        'sh',
        SECRET.slice(0, 20),
        join(folder, name),
      ]);
      assert.equal(found.toString().trim() || '0', '0', name);
    }
  });

  test('no layer and no log has the secret', async (t) => {
    if (!canBuild(t)) return;
    const { digest = '' } = JSON.parse(await lab.text(['image', 'show', 'built-app'])) as Image;
    const blobs = join(lab.paths.imagesDir, '.content/blobs/sha256');
    const blob = async (one: string): Promise<Buffer> =>
      await readFile(join(blobs, one.slice('sha256:'.length)));
    const manifest = JSON.parse((await blob(digest)).toString()) as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    assert.ok(manifest.layers.length >= 2);
    for (const one of [manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)]) {
      const content = await blob(one);
      const plain = content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content;
      assert.equal(createHash('sha256').update(content).digest('hex'), one.slice('sha256:'.length));
      assert.ok(!plain.includes(SECRET), one);
    }
    assert.ok(!(await lab.text(['daemon', 'logs'])).includes(SECRET));
  });

  test('the next build takes its steps from the cache, pulls nothing, and --no-cache runs them again', async (t) => {
    if (!canBuild(t)) return;
    const before = registry.layerRequests;
    const again = await lab.run(build('--name', 'built-app', '--build-arg', 'WHO=world'));
    assert.equal(again.code, 0, again.stderr);
    assert.ok((again.stderr.match(/Using cache/g) ?? []).length >= 5, again.stderr);
    const changed = await lab.run(build('--name', 'built-app', '--build-arg', 'WHO=all', '--no-cache'));
    assert.equal(changed.code, 0, changed.stderr);
    assert.ok(!changed.stderr.includes('Using cache'));
    assert.equal(registry.layerRequests, before);
    const ran = [
      'vm',
      'run',
      '--rm',
      '--cold',
      '--image',
      'built-app',
      ...SMALL,
      '--',
      'sh',
      '-c',
      'app; cat runs',
    ];
    // The cache mount has outlived its VM's stop: this is its second run.
    assert.equal(await lab.text(ran), 'hello all\n2\n');
  });

  test('a step that fails, and an interrupt, end the build and leave nothing half-made', async (t) => {
    if (!canBuild(t)) return;
    const failed = await lab.run(build('--name', 'built-failed', '--target', 'check', '--json'));
    assert.equal(failed.code, 1);
    assert.match(failed.stdout.toString() + failed.stderr, /IMAGE_BUILD_FAILED/);
    await put('slow/Dockerfile', `FROM ${base}\nRUN echo begun && sleep 600\n`);
    const slow = lab.start(['image', 'build', '--name', 'built-slow', join(dir, 'slow')]);
    await until(() => slow.stderr().includes('begun'), { everyMs: 200, deadlineMs: 180_000 });
    slow.kill('SIGINT');
    assert.equal((await slow.done).code, 130, slow.stderr());
    assert.ok(!(await images()).some(({ name }) => ['built-failed', 'built-slow'].includes(name)));
    const staged = (await readdir(join(lab.paths.imagesDir, '.staging'))).filter(
      (name) => !name.includes('.lock'),
    );
    assert.deepEqual(staged, []);
    await put('scratch/Dockerfile', 'FROM scratch\nCOPY file /\n');
    await put('scratch/file', 'x');
    await lab.text(['image', 'build', '--name', 'built-scratch', join(dir, 'scratch')]);
    const { config } = JSON.parse(await lab.text(['image', 'show', 'built-scratch'])) as Image;
    assert.equal(config?.cmd, undefined);
  });
});
