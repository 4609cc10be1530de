import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VmRecord } from '../../ports/records.ts';
import type { VmHost } from '../world.ts';
import { trimRequestOf } from './give-back.ts';

const MIB = 2 ** 20;

async function requestFor(
  allocated: Record<string, number>,
  record: Partial<VmRecord> = {},
): Promise<unknown> {
  const files = { allocatedBytes: async (path: string) => allocated[path] ?? assert.fail(path) };
  const drives = ['overlay', 'work'].map((serial) => ({ serial, pathOnHost: serial }));
  const image = { serial: 'root', pathOnHost: 'image', isReadOnly: true };
  return await trimRequestOf(
    { files } as unknown as Pick<VmHost, 'files'>,
    { drives: [image, ...drives], ...record } as unknown as VmRecord,
  );
}

test('a guest whose drives take little space is not asked to trim', async () => {
  assert.equal(await requestFor({ overlay: 63 * MIB, work: 3 * MIB }), undefined);
  assert.equal(await trimRequestOf({} as VmHost, {} as VmRecord), undefined);
});

test('a guest gets the size of each of its drives on the host, because only it knows how much of that it uses', async () => {
  assert.deepEqual(await requestFor({ overlay: 3 * MIB, work: 64 * MIB }), {
    withinMs: 2_000,
    hostBytes: { overlay: 3 * MIB, work: 64 * MIB },
  });
  assert.deepEqual(await requestFor({ overlay: 900 * MIB, work: MIB }), {
    withinMs: 2_000,
    hostBytes: { overlay: 900 * MIB, work: MIB },
  });
});

test("what the base of a work disk takes is not the guest's to give back, but it counts as used there", async () => {
  const workBase = { pathOnHost: 'base', sizeBytes: 1 };
  assert.deepEqual(await requestFor({ overlay: MIB, work: 64 * MIB, base: 700 * MIB }, { workBase }), {
    withinMs: 2_000,
    hostBytes: { overlay: MIB, work: 64 * MIB, workBase: 700 * MIB },
  });
});
