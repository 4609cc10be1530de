import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../base/abort.ts';
import { createLogger } from '../../base/log.ts';
import type { TemplatePlace } from '../../core/ports/templates.ts';
import type { DriveSpec } from '../../core/ports/vmm/spec.ts';
import { sparseDigest } from './digest.ts';
import { parseTemplateManifest } from './manifest-schema.ts';
import { FsTemplateStore } from './template-store.ts';

const FACTS = {
  imageName: 'i',
  kernelName: 'k',
  shape: { vcpuCount: 1, memoryMib: 4, diskSizeBytes: 2 ** 24, systemOverlaySizeBytes: 0 },
  vmm: 'v 1',
};
const signal = neverAborts();
const log = createLogger(() => {}, { level: 'error' });
const KEYS = ['a', 'b', 'c'].map((digit) => digit.repeat(64)) as [string, string, string];

describe('the template store', () => {
  const root = mkdtemp(join(tmpdir(), 'templates-'));
  let templatesDir: string;
  let store: FsTemplateStore;
  let warnings: string[];

  beforeEach(async () => {
    templatesDir = await mkdtemp(join(await root, 't-'));
    store = new FsTemplateStore({ templatesDir, log });
    warnings = [];
  });
  after(async () => await rm(await root, { recursive: true }));

  test('finds a finished template, also in a later process', async () => {
    assert.equal(await use(KEYS[0]), undefined);
    await make(KEYS[0]);
    for (const one of [store, new FsTemplateStore({ templatesDir, log })]) {
      using found = await one.use(KEYS[0], { onDamage: (text) => warnings.push(text) });
      assert.deepEqual(found?.facts, FACTS);
      assert.deepEqual(
        found.drives.map(({ serial, sizeBytes }) => [serial, sizeBytes]),
        [
          ['overlay', 2 ** 24],
          ['work', 2 ** 24],
        ],
      );
      for (const path of [
        found.saved.memoryPath,
        found.saved.statePath,
        ...found.drives.map((d) => d.pathOnHost),
      ]) {
        assert.ok(existsSync(path), path);
      }
    }
    assert.equal(await store.verify(KEYS[0], { signal }), undefined);
    assert.deepEqual([warnings, await readdir(join(templatesDir, '.staging'))], [[], []]);
  });

  test('callers with the same key share the work; failed work leaves nothing', async () => {
    let runs = 0;
    const work = async (place: TemplatePlace): Promise<DriveSpec[]> => {
      runs += 1;
      return await fill(place);
    };
    await Promise.all([1, 2, 3].map(() => store.make(KEYS[0], { facts: FACTS, work }, { signal })));
    await store.make(KEYS[0], { facts: FACTS, work }, { signal });
    assert.equal(runs, 1);
    const failing = async (place: TemplatePlace): Promise<DriveSpec[]> => {
      await fill(place);
      throw new Error('no luck');
    };
    await assert.rejects(store.make(KEYS[1], { facts: FACTS, work: failing }, { signal }), /no luck/);
    const stop = new AbortController();
    const aborted = store.make(
      KEYS[1],
      {
        facts: FACTS,
        work: (_, { signal: inner }) => {
          setTimeout(() => stop.abort(new Error('enough')), 10);
          return new Promise((_, reject) => inner.addEventListener('abort', () => reject(inner.reason)));
        },
      },
      { signal: stop.signal },
    );
    await assert.rejects(aborted, /enough/);
    assert.deepEqual((await readdir(templatesDir)).sort(), ['.lock', '.staging', KEYS[0]]);
    assert.deepEqual(await readdir(join(templatesDir, '.staging')), []);
  });

  const damages: [string, (dir: string) => Promise<void>, boolean][] = [
    ['a truncated memory file', (dir) => truncate(join(dir, 'memory'), 4096), false],
    ['a missing drive', (dir) => rm(join(dir, 'work.qcow2')), false],
    ['a malformed manifest', (dir) => writeFile(join(dir, 'manifest.json'), '{"format":1}'), false],
    ['a flipped byte in the device state', (dir) => flip(join(dir, 'state')), true],
  ];
  for (const [what, spoil, isWarned] of damages) {
    test(`${what} is a miss, and the template is created again`, async () => {
      await make(KEYS[0]);
      await spoil(join(templatesDir, KEYS[0]));
      assert.equal(await use(KEYS[0]), undefined);
      assert.equal(warnings.length, isWarned ? 1 : 0);
      await make(KEYS[0]);
      using again = await use(KEYS[0]);
      assert.ok(again);
    });
  }

  test('verify() finds a flipped byte in the memory', async () => {
    await make(KEYS[0]);
    await flip(join(templatesDir, KEYS[0], 'memory'));
    assert.match((await store.verify(KEYS[0], { signal })) ?? '', /memory/);
  });

  test('beyond the budget, the least recently used template is removed, but none that is in use', async () => {
    for (const [at, key] of KEYS.entries()) {
      await make(key);
      await utimes(join(templatesDir, key, 'manifest.json'), 1000 + at, 1000 + at);
    }
    const sizes = (await store.list()).map(({ diskBytes }) => diskBytes);
    assert.deepEqual(
      (await store.list()).map(({ key }) => key),
      [...KEYS].reverse(),
    );
    assert.deepEqual(await store.prune({ maxBytes: sizes.reduce((a, b) => a + b, 0) }), []);
    assert.deepEqual(await store.prune({ maxBytes: (sizes[0] ?? 0) + (sizes[1] ?? 0) }), [KEYS[0]]);
    {
      using _held = await use(KEYS[1]);
      await assert.rejects(store.delete(KEYS[1]), { code: 'TEMPLATE_IN_USE' });
      assert.deepEqual(await store.prune({ maxBytes: 0 }), [KEYS[2]]);
    }
    await store.delete(KEYS[1]);
    await assert.rejects(store.delete(KEYS[1]), { code: 'TEMPLATE_NOT_FOUND' });
    assert.deepEqual(await store.list(), []);
  });

  async function make(key: string): Promise<void> {
    await store.make(key, { facts: FACTS, work: fill }, { signal });
  }

  function use(key: string) {
    return store.use(key, { onDamage: (text) => warnings.push(text) });
  }
});

test('the digest of a sparse file covers its data and where the data is', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'digest-'));
  const digestOf = async (parts: [number, string][], size: number): Promise<string> => {
    const path = join(dir, `f${Math.random()}`);
    const content = Buffer.alloc(size);
    for (const [at, text] of parts) content.write(text, at);
    await writeFile(path, content);
    return await sparseDigest(path, { signal });
  };
  const MIB = 2 ** 20;
  const base = await digestOf([[5 * MIB, 'x']], 8 * MIB);
  assert.equal(await digestOf([[5 * MIB, 'x']], 8 * MIB), base);
  for (const other of [
    await digestOf([[5 * MIB + 1, 'x']], 8 * MIB),
    await digestOf([[4 * MIB, 'x']], 8 * MIB),
    await digestOf([[5 * MIB, 'y']], 8 * MIB),
    await digestOf([], 8 * MIB),
  ]) {
    assert.notEqual(other, base);
  }
  await rm(dir, { recursive: true });
});

test('parseTemplateManifest() accepts any text and never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      parseTemplateManifest(text);
    }),
  );
});

async function fill({ dir, saved }: TemplatePlace): Promise<DriveSpec[]> {
  await writeFile(saved.memoryPath, '');
  await truncate(saved.memoryPath, 4 * 2 ** 20);
  await writeFile(saved.memoryPath, 'memory', { flag: 'r+' });
  await writeFile(saved.statePath, 'state');
  const drive = (serial: DriveSpec['serial'], isReadOnly: boolean): DriveSpec => ({
    serial,
    pathOnHost: join(dir, `${serial}.qcow2`),
    format: 'qcow2',
    isReadOnly,
    sizeBytes: 2 ** 24,
  });
  const drives = [drive('root', true), drive('overlay', false), drive('work', false)];
  for (const { pathOnHost, isReadOnly } of drives)
    if (!isReadOnly) await writeFile(pathOnHost, Buffer.alloc(65536, 1));
  return drives;
}

async function flip(path: string): Promise<void> {
  const before = await stat(path);
  await writeFile(path, Buffer.from([0xff]), { flag: 'r+' });
  assert.equal((await stat(path)).size, before.size);
}
