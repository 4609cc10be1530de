import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

test('the archive is a layout with every blob of the image, whole and named by its digest', async () => {
  const blobs = [await blob('{}'), await blob(''), await blob('x'.repeat(1000)), await blob('y'.repeat(512))];
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json';
  const manifest = await blob(JSON.stringify({ mediaType, layers: blobs }));
  const tar = await buffer(
    await packLayout(imageOf(manifest, [manifest, ...blobs]), { blobsDir: dir, signal }),
  );
  const into = join(dir, 'into');
  await mkdir(into);
  execFileSync('tar', ['-x', '-C', into, '-f', '-'], { input: tar });
  assert.equal(await readFile(join(into, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}');
  const { manifests } = JSON.parse(await readFile(join(into, 'index.json'), 'utf8')) as {
    manifests: { mediaType: string; digest: string; size: number }[];
  };
  const [descriptor] = manifests;
  assert.deepEqual([descriptor?.mediaType, descriptor?.digest], [mediaType, manifest]);
  for (const digest of [manifest, ...blobs]) {
    const content = await readFile(join(into, 'blobs/sha256', digest.slice(7)));
    assert.equal(`sha256:${createHash('sha256').update(content).digest('hex')}`, digest);
    if (digest === manifest) assert.equal(descriptor?.size, content.length);
  }
});

test('an image whose blob is missing is damaged', async () => {
  const manifest = await blob('{}');
  const image = imageOf(manifest, [manifest, `sha256:${'a'.repeat(64)}`]);
  await assert.rejects(packLayout(image, { blobsDir: dir, signal }), { code: 'IMAGE_DAMAGED' });
  const text = await blob('no JSON');
  await assert.rejects(packLayout(imageOf(text, [text]), { blobsDir: dir, signal }), {
    code: 'IMAGE_DAMAGED',
  });
});
