import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { signText } from '../../../../scripts/release/checksums.ts';
import { type CliLab, type CliResult, openCliLab } from '../../../../test/support/cli/cli-harness.ts';
import { sendEvents, sendJson } from '../../../../test/support/fakes/fake-daemon.ts';
import { newKey } from '../../../../test/support/update/release-site.ts';
import { resolvePaths } from '../../../config/settings.ts';
import type { Image } from '../../../protocol/api/image.ts';

const ARCHIVE = Buffer.from('an OCI archive '.repeat(1000));
const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';
const key = newKey();

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function imageOf(name: string, from: string): Image {
  const id = `sha256:${'0'.repeat(64)}`;
  return {
    ...{ name, id, arch: ARCH, distro: 'debian', kernel: '', sizeBytes: 1, diskBytes: 1 },
    ...{ createdAt: '2026-01-01T00:00:00.000Z', usedBy: [], origin: { kind: 'archive', from } },
  };
}

describe('images of catalogs', () => {
  let lab: CliLab;
  let site: string;
  let bundlesDir: string;

  beforeEach(async () => {
    lab = await openCliLab();
    site = join(lab.home, 'site');
    bundlesDir = resolvePaths(lab.env).bundlesDir;
    mkdirSync(site);
    mkdirSync(join(lab.home, '.config/banger'), { recursive: true });
    writeFileSync(join(lab.home, 'team.pub'), key.publicKey);
    writeFileSync(
      join(lab.home, '.config/banger/config.toml'),
      `[[catalog]]\nurl = "file://${site}/catalog.json"\nkey = "~/team.pub"\n`,
    );
    publish();
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  function publish(
    change: object = {},
    { bundle = zstdCompressSync(ARCHIVE), signer = key.signer } = {},
  ): void {
    const entry = {
      ...{ name: 'tools', arch: ARCH, description: 'for work', tarball_url: 'tools.tar.zst' },
      ...{ tarball_sha256: sha256(bundle), size: bundle.length, unpacked_size: ARCHIVE.length },
      ...change,
    };
    const text = JSON.stringify({ version: 1, entries: [entry] });
    writeFileSync(join(site, 'tools.tar.zst'), bundle);
    writeFileSync(join(site, 'catalog.json'), text);
    writeFileSync(join(site, 'catalog.json.sig'), signText(text, [signer]));
  }

  /** The daemon takes archives, and says what it was given. */
  function takeImports(): { body: Record<string, unknown>; content: Buffer }[] {
    const taken: { body: Record<string, unknown>; content: Buffer }[] = [];
    lab.daemon.answers.set('POST /v1/images/import', ({ body }, response) => {
      const request = body as Record<string, unknown>;
      const path = String(request['path']);
      taken.push({ body: request, content: readFileSync(path) });
      const image = imageOf(String(request['name']), path);
      lab.daemon.images.splice(0, lab.daemon.images.length, image);
      sendEvents(response, [{ event: 'result', value: image }]);
    });
    return taken;
  }
  const pull = (...words: string[]): Promise<CliResult> => lab.run(['image', 'pull', ...words, 'tools']);

  test('an image is made of a bundle whose signature and hash are right, once for each bundle', async () => {
    const taken = takeImports();
    const first = await pull();
    assert.deepEqual([first.status, first.stdout], [0, 'tools\n'], first.stderr);
    const [{ body, content } = { body: {}, content: Buffer.alloc(0) }] = taken;
    assert.deepEqual(content, ARCHIVE);
    assert.deepEqual(
      [body['format'], body['platform'], body['force']],
      ['oci-archive', `linux/${ARCH}`, undefined],
    );
    assert.deepEqual(readdirSync(bundlesDir), ['lock']);
    assert.equal((await pull()).status, 0);
    assert.equal(taken.length, 1);
    publish(
      { unpacked_size: ARCHIVE.length + 1 },
      { bundle: zstdCompressSync(Buffer.concat([ARCHIVE, Buffer.from('x')])) },
    );
    assert.equal((await pull()).status, 0);
    assert.deepEqual([taken.length, taken[1]?.body['force']], [2, true]);
    const listed = await lab.run(['image', 'list', '--available']);
    assert.match(listed.stdout, /^tools +\S+ +\S+ +pulled +for work$/m);
  });

  test('a name that belongs to another image is only taken over with --force', async () => {
    const taken = takeImports();
    lab.daemon.images.push(imageOf('tools', '/somewhere/else.tar'));
    await pull();
    assert.equal(taken[0]?.body['force'], undefined);
    lab.daemon.images.splice(0, 1, imageOf('tools', '/somewhere/else.tar'));
    await pull('--force', '--name', 'mine');
    assert.deepEqual([taken[1]?.body['force'], taken[1]?.body['name']], [true, 'mine']);
  });

  test('a catalog that another key signed, and one without a signature, are not used', async () => {
    publish({}, { signer: newKey().signer });
    const foreign = await pull();
    assert.equal(foreign.status, 1);
    assert.match(foreign.stderr, /Cannot trust the catalog file:\S+: its signature is wrong/);
    writeFileSync(join(site, 'catalog.json.sig'), '');
    assert.match((await lab.run(['image', 'list', '--available'])).stderr, /its signature is missing/);
    assert.deepEqual(lab.daemon.requests, []);
  });

  test('a bundle that is not the one of the catalog makes no image, and is removed', async () => {
    const taken = takeImports();
    const changed = zstdCompressSync(Buffer.concat([Buffer.from('evil'), ARCHIVE.subarray(4)]));
    for (const [change, bundle, problem] of [
      [{ tarball_sha256: '0'.repeat(64) }, undefined, /its hash is not that of the catalog/],
      [{ unpacked_size: 10 }, undefined, /unpacks to more than the catalog says/],
      [{ unpacked_size: 100_000 }, undefined, /unpacks to less than the catalog says/],
      [{ size: 10 }, undefined, /has more than 10/],
      [{}, Buffer.from('no zstd'), /Cannot use the bundle/],
      [{ tarball_sha256: sha256(zstdCompressSync(ARCHIVE)) }, changed, /hash is not that/],
      [{ tarball_url: 'none' }, undefined, /not found/],
    ] as const) {
      publish(change, bundle ? { bundle } : {});
      const refused = await pull();
      assert.equal(refused.status, 1, JSON.stringify(change));
      assert.match(refused.stderr, problem);
      assert.deepEqual(readdirSync(bundlesDir), ['lock']);
    }
    assert.deepEqual(taken, []);
  });

  test('a name that no catalog has, or for another architecture, is one of a registry as before', async () => {
    publish({ arch: ARCH === 'amd64' ? 'arm64' : 'amd64' });
    const asked: unknown[] = [];
    lab.daemon.answers.set('POST /v1/images/pull', ({ body }, response) => {
      asked.push(body);
      sendEvents(response, [{ event: 'result', value: imageOf('docker.io/library/tools:latest', 'x') }]);
    });
    assert.equal((await pull()).status, 0);
    assert.deepEqual(asked, [{ reference: 'docker.io/library/tools:latest' }]);
  });

  test('without a key of its own, a catalog needs an installed release', async () => {
    writeFileSync(
      join(lab.home, '.config/banger/config.toml'),
      `[[catalog]]\nurl = "file://${site}/catalog.json"\n`,
    );
    assert.match((await pull()).stderr, /there is no key for it/);
  });

  test('make-bundle writes a bundle that a catalog offers', async () => {
    lab.daemon.answers.set('GET /v1/images/tools', (_request, response) =>
      sendJson(response, 200, imageOf('tools', 'x')),
    );
    lab.daemon.answers.set('POST /v1/images/tools/export', ({ body }, response) => {
      const { path } = body as { path: string };
      writeFileSync(path, ARCHIVE);
      const value = { path, digest: `sha256:${'0'.repeat(64)}`, layers: 1, sizeBytes: ARCHIVE.length };
      sendEvents(response, [{ event: 'result', value }]);
    });
    const out = join(lab.home, 'out');
    mkdirSync(out);
    const words = [
      '--catalog',
      join(out, 'catalog.json'),
      '--out',
      out,
      '--description',
      'for work',
      'tools',
    ];
    const made = await lab.run(['internal', 'make-bundle', ...words]);
    assert.equal(made.status, 0, made.stderr);
    const [path = '', hash = '', size] = made.stdout.trim().split('\n');
    const bundle = readFileSync(path);
    assert.deepEqual([sha256(bundle), bundle.length], [hash, Number(size)]);
    assert.ok(path.endsWith(`tools-${ARCH}-${hash.slice(0, 12)}.tar.zst`));
    // Again: one entry for a name and an architecture.
    await lab.run(['internal', 'make-bundle', ...words]);
    const text = readFileSync(join(out, 'catalog.json'), 'utf8');
    assert.equal((JSON.parse(text) as { entries: unknown[] }).entries.length, 1);
    assert.deepEqual(readdirSync(out).sort(), ['catalog.json', path.slice(out.length + 1)].sort());
    writeFileSync(join(out, 'catalog.json.sig'), signText(text, [key.signer]));
    const config = `[[catalog]]\nurl = "file://${out}/catalog.json"\nkey = "~/team.pub"\n`;
    writeFileSync(join(lab.home, '.config/banger/config.toml'), config);
    const taken = takeImports();
    assert.equal((await pull()).status, 0);
    assert.deepEqual(taken[0]?.content, ARCHIVE);
    assert.doesNotMatch((await lab.run(['--help'])).stdout, /internal/);
  });
});
