import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseStep, DRAWS } from '../sequences/choose-step.ts';
import { mergeExceptions } from '../sequences/exception-store.ts';
import {
  afterAnswer,
  afterPowerCut,
  type GuestModel,
  problemsOnDisks,
  problemsWhileRunning,
  SERVED_FILE,
  settled,
  synced,
  withFile,
} from '../sequences/guest-model.ts';
import { makeContent, type Step } from '../sequences/step.ts';
import { outcomesOf, type WorldModel } from '../sequences/world-model.ts';

const EMPTY: GuestModel = { files: new Map() };
const PATH = '/root/kept/file';
const [OLD, NEW, OTHER] = [1, 2, 3].map((id) => makeContent(id, 10_000)) as [Buffer, Buffer, Buffer];

test('a running guest has the last content of each file, and no other file', () => {
  const guest = withFile(EMPTY, { path: PATH, content: NEW, isSynced: false });
  assert.deepEqual(problemsWhileRunning(guest, new Map([[PATH, NEW]])), []);
  for (const wrong of [
    [],
    [[PATH, OLD]],
    [[PATH, NEW.subarray(1)]],
    [
      [PATH, NEW],
      ['/srv/kept/x', NEW],
    ],
  ] as const) {
    assert.equal(problemsWhileRunning(guest, new Map(wrong)).length, 1);
  }
});

test('after a power cut synced content is there; other content is there, missing or partial, and never anything else', () => {
  const isPossible = (guest: GuestModel, found: Buffer | undefined): boolean =>
    problemsOnDisks(afterPowerCut(guest), new Map(found ? [[PATH, found]] : [])).length === 0;
  const old = withFile(EMPTY, { path: PATH, content: OLD, isSynced: true });
  const both = withFile(old, { path: PATH, content: NEW, isSynced: false });
  const holed = Buffer.concat([NEW.subarray(0, 4096), Buffer.alloc(4096), NEW.subarray(8192)]);
  const blocks = [NEW.subarray(0, 4096), OLD.subarray(4096, 8192)];
  for (const possible of [OLD, NEW, Buffer.alloc(0), NEW.subarray(0, 5_000), holed, Buffer.concat(blocks)]) {
    assert.ok(isPossible(both, possible));
  }
  const torn = Buffer.concat([NEW.subarray(0, 100), OLD.subarray(100)]);
  const long = Buffer.concat([NEW, Buffer.alloc(1)]);
  for (const found of [undefined, OTHER, torn, long]) assert.ok(!isPossible(both, found));
  for (const found of [undefined, NEW, holed, OLD.subarray(0, 5_000)]) assert.ok(!isPossible(old, found));
  assert.ok(!isPossible(synced(both), OLD));
  const grown = withFile(old, { path: PATH, content: Buffer.concat([OLD, NEW]), isSynced: false });
  const tail = Buffer.alloc(9);
  assert.ok(isPossible(grown, Buffer.concat([OLD, tail])), 'the size is there, but not the new content');
  assert.ok(
    !isPossible(grown, Buffer.concat([OLD.subarray(0, 9_991), tail, tail])),
    'synced content is lost',
  );
  assert.ok(!isPossible(grown, OLD.subarray(0, 5_000)), 'a part of the synced content is lost');
  const found = settled(afterPowerCut(both), new Map([[PATH, holed]]));
  assert.ok(isPossible(found, holed) && !isPossible(found, NEW));
});

test('memory and the server process are lost only by a power cut', () => {
  const asked = afterAnswer(afterAnswer({ ...EMPTY, answered: 0 }));
  assert.equal(asked.answered, 2);
  assert.equal(asked.files.get(SERVED_FILE)?.at(-1)?.toString(), 'answer 1\nanswer 2\n');
  const guest = withFile(asked, { path: '/dev/shm/kept/x', content: NEW, isSynced: false });
  const { answered, files } = afterPowerCut(guest);
  assert.deepEqual([answered, [...files.keys()]], [undefined, [SERVED_FILE]]);
});

test('an undisturbed step has one outcome, and sequences contain every kind of step', () => {
  const taken = new Set<string>();
  const property = fc.property(DRAWS, (draws) => {
    let world: WorldModel = new Map();
    for (const [at, draw] of draws.entries()) {
      const step: Step = chooseStep(world, draw, at);
      const outcomes = outcomesOf(world, step);
      assert.ok(step.do === 'create' || step.do === 'kill-daemon' || world.has(step.vm));
      assert.ok(step.interruption ? outcomes.length > 1 : outcomes.length === 1);
      taken.add(step.do).add(step.interruption ? `cut off: ${step.do}, ${step.interruption.whom}` : '');
      world = outcomes[at % outcomes.length] ?? world;
    }
  });
  fc.assert(property, { numRuns: 2_000 });
  const kinds = [
    'create',
    'write',
    'append',
    'remove',
    'sync',
    'serve',
    'fork',
    'snapshot',
    'restore',
    'drop-snapshot',
  ];
  kinds.push('suspend', 'resume', 'start', 'stop', 'kill', 'kill-vmm', 'kill-daemon', 'delete');
  for (const what of ['suspend', 'fork', 'snapshot', 'restore', 'stop']) {
    kinds.push(...['daemon', 'vmm', 'client'].map((whom) => `cut off: ${what}, ${whom}`));
  }
  assert.deepEqual(
    kinds.filter((kind) => !taken.has(kind)),
    [],
  );
});

test('a snapshot store is merged as the kernel would read it, and a damaged one is refused', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'store-'));
  const [storePath, target] = [join(dir, 'store'), join(dir, 'target')];
  const chunk = (byte: number): Buffer => Buffer.alloc(4096, byte);
  // The first area is full, with 256 chunks and their table; a second one has a single pair.
  const pairs = (list: readonly (readonly [number, number])[]): Buffer => {
    const table = chunk(0);
    for (const [at, [to, from]] of list.entries()) {
      table.writeBigUInt64LE(BigInt(to), at * 16);
      table.writeBigUInt64LE(BigInt(from), at * 16 + 8);
    }
    return table;
  };
  const header = chunk(0);
  for (const [at, word] of [0x70416e53, 1, 1, 8].entries()) header.writeUInt32LE(word, at * 4);
  const full = Array.from({ length: 256 }, (_, at) => [at, 2 + at] as const);
  const contents = full.map(([at]) => chunk(at % 200));
  const store = Buffer.concat([header, pairs(full), ...contents, pairs([[300, 259]]), chunk(201)]);
  await writeFile(storePath, store);
  await writeFile(target, Buffer.alloc(302 * 4096, 255));
  assert.equal(await mergeExceptions(storePath, target), 257);
  const wanted = [...contents, ...Array.from({ length: 44 }, () => chunk(255)), chunk(201), chunk(255)];
  assert.ok((await readFile(target)).equals(Buffer.concat(wanted)));
  store.writeUInt32LE(0, 4);
  await writeFile(storePath, store);
  await assert.rejects(mergeExceptions(storePath, target), /invalid/);
  await writeFile(storePath, chunk(0));
  await assert.rejects(mergeExceptions(storePath, target), /no exception store/);
  await rm(dir, { recursive: true });
});
