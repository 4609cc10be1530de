import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import { diskUsageOf } from './disk-usage.ts';

const image = (id: string, diskBytes: number, blobs: string[] = []): StoredImage => ({
  name: id,
  id,
  arch: 'amd64',
  config: {},
  provenance: { origin: { kind: 'registry', reference: id }, blobs },
  isUnmanaged: false,
  rootfsPath: '/nowhere',
  sizeBytes: 2 * diskBytes,
  diskBytes,
  createdAt: '2026-01-01T00:00:00.000Z',
});

test('what only one image needs is its own, and everything else is shared', () => {
  const usage = diskUsageOf(
    {
      images: [
        image('a', 100, ['base', 'top']),
        image('b', 200, ['base', 'other', 'base']),
        image('c', 400),
        image('d', 800),
        image('gone', 1600, ['top']),
      ],
      names: [
        { name: 'a', id: 'a' },
        { name: 'b', id: 'b' },
        { name: 'c', id: 'c' },
        { name: 'c2', id: 'c' },
        { name: 'd', id: 'd' },
        { name: 'damaged', id: 'e' },
      ],
      held: new Set(['d']),
      blobs: new Map([
        ['base', 1],
        ['top', 2],
        ['other', 4],
        ['unneeded', 8],
      ]),
    },
    { reclaimableBytes: 8, kernels: { count: 1, bytes: 10_000 }, initrds: { count: 2, bytes: 20_000 } },
  );
  assert.deepEqual(usage, {
    images: [
      { name: 'a', uniqueBytes: 100, sharedBytes: 3 },
      { name: 'b', uniqueBytes: 204, sharedBytes: 1 },
      { name: 'c', uniqueBytes: 0, sharedBytes: 400 },
      { name: 'c2', uniqueBytes: 0, sharedBytes: 400 },
      { name: 'd', uniqueBytes: 0, sharedBytes: 800 },
      { name: 'damaged', uniqueBytes: 0, sharedBytes: 0 },
    ],
    unnamed: { count: 1, bytes: 1600 },
    blobs: { count: 4, bytes: 15 },
    kernels: { count: 1, bytes: 10_000 },
    initrds: { count: 2, bytes: 20_000 },
    reclaimableBytes: 8,
    totalBytes: 33_115,
  });
});
