import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import { packLayout } from './pack-layout.ts';

let dir: string;
const signal = neverAborts();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'layout-'));
  await mkdir(join(dir, 'blobs/sha256'), { recursive: true });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function blob(content: string): Promise<string> {
  const hex = createHash('sha256').update(content).digest('hex');
  await writeFile(join(dir, 'blobs/sha256', hex), content);
  return `sha256:${hex}`;
}

function imageOf(manifestDigest: string, blobs: readonly string[]): StoredImage {
  const provenance = { origin: { kind: 'registry', reference: 'x' }, manifestDigest, blobs } as const;
  return { name: 'docker.io/library/x:1', provenance } as unknown as StoredImage;
}

const MEDIA_TYPE = 'application/vnd.docker.distribution.manifest.v2+json';

interface Layout {
  mediaType: string;
  manifest: { config: { digest: string; size: number }; layers: unknown };
  config: { history?: { created_by?: string; empty_layer?: boolean }[]; os?: string };
}

/** Packs an image of two layers with this configuration, unpacks it, and checks digests and sizes. */
async function packed(config: unknown): Promise<Layout & { digest: string; digests: string[] }> {
  const layers = [await blob('x'.repeat(1000)), await blob('')];
  const configDigest = await blob(JSON.stringify(config));
  const described = {
    mediaType: MEDIA_TYPE,
    config: { mediaType: 'c', digest: configDigest, size: 1 },
    layers,
  };
  const manifest = await blob(JSON.stringify(described));
  const image = imageOf(manifest, [manifest, configDigest, ...layers]);
  const tar = await buffer(await packLayout(image, { blobsDir: dir, signal }));
  const into = await mkdtemp(join(dir, 'into-'));
  execFileSync('tar', ['-x', '-C', into, '-f', '-'], { input: tar });
  assert.equal(await readFile(join(into, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}');
  const digests = (await readdir(join(into, 'blobs/sha256'))).map((hex) => `sha256:${hex}`);
  const read = async (digest: string): Promise<Buffer> => {
    const content = await readFile(join(into, 'blobs/sha256', digest.slice(7)));
    assert.equal(`sha256:${createHash('sha256').update(content).digest('hex')}`, digest);
    return content;
  };
  for (const digest of digests) await read(digest);
  for (const digest of layers) assert.ok(digests.includes(digest));
  const { manifests } = JSON.parse(await readFile(join(into, 'index.json'), 'utf8')) as {
    manifests: [{ mediaType: string; digest: string; size: number }];
  };
  const [{ mediaType, digest, size }] = manifests;
  const content = await read(digest);
  assert.equal(content.length, size);
  const value = JSON.parse(content.toString()) as Layout['manifest'];
  assert.deepEqual(value.layers, layers);
  const own = JSON.parse((await read(value.config.digest)).toString()) as Layout['config'];
  return { mediaType, manifest: value, config: own, digest, digests };
}

test('the archive is a layout with every blob of the image, whole and named by its digest', async () => {
  const config = { os: 'linux', rootfs: { diff_ids: ['a', 'b'] }, history: [{}, { empty_layer: true }, {}] };
  const layout = await packed(config);
  assert.equal(layout.mediaType, MEDIA_TYPE);
  assert.equal(layout.digests.length, 4);
  assert.deepEqual(layout.config, config);
});

test('an image that does not say how its layers were made gets a history of them', async () => {
  for (const history of [undefined, [], [{ empty_layer: true }], [{}], 'none']) {
    const layout = await packed({ os: 'linux', rootfs: { diff_ids: ['a', 'b'] }, history });
    assert.equal(layout.config.os, 'linux');
    assert.equal(layout.config.history?.length, 2);
    assert.ok(layout.config.history.every(({ empty_layer }) => empty_layer !== true));
    assert.equal(layout.manifest.config.size, JSON.stringify(layout.config).length);
  }
});

test('an image whose blob is missing, or whose description is none, is damaged', async () => {
  const config = await blob('{}');
  const good = await blob(JSON.stringify({ config: { digest: config } }));
  const missing = `sha256:${'a'.repeat(64)}`;
  const texts = ['no JSON', '[]', '{}', '{"config":{"digest":"../x"}}', `{"config":{"digest":"${missing}"}}`];
  const images = [imageOf(good, [good, config, missing])];
  for (const text of texts) {
    const manifest = await blob(text);
    images.push(imageOf(manifest, [manifest]));
  }
  for (const image of images) {
    await assert.rejects(packLayout(image, { blobsDir: dir, signal }), { code: 'IMAGE_DAMAGED' });
  }
});
