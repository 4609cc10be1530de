import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../abort.ts';
import { lock, passingLock, tryLock, tryPassingLock } from './file-lock.ts';

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lock-'));
});

after(() => rm(dir, { recursive: true }));

test('there is one holder at a time; disposing lets the next one in, and may happen twice', () => {
  const path = join(dir, 'one');
  const held = tryLock(path);
  assert.equal(held?.path, path);
  assert.equal(tryLock(path), undefined);
  held[Symbol.dispose]();
  held[Symbol.dispose]();
  using next = tryLock(path);
  assert.ok(next);
});

test('a lock that cannot be created is an error, not a busy lock', () => {
  assert.throws(() => tryLock(join(dir, 'no', 'such', 'folder')));
});

test('the lock of a process that was killed is free', async () => {
  const path = join(dir, 'killed');
  const script = `
    import { tryLock } from ${JSON.stringify(import.meta.resolve('./file-lock.ts'))};
    globalThis.held = tryLock(${JSON.stringify(path)});
    process.stdout.write('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  assert.equal(tryLock(path), undefined);
  let waits = 0;
  const waiting = lock(path, { signal: neverAborts(), onWait: () => (waits += 1) });
  child.kill('SIGKILL');
  using held = await waiting;
  assert.equal(held.path, path);
  assert.equal(waits, 1);
});

test('lock() stops waiting when its signal aborts', async () => {
  using _held = tryLock(join(dir, 'wait'));
  const controller = new AbortController();
  const gone = new Error('gone');
  const waiting = lock(join(dir, 'wait'), {
    signal: controller.signal,
    onWait: () => controller.abort(gone),
  });
  await assert.rejects(waiting, gone);
});

test('a lock consists of one file, also while it is held', () => {
  const path = join(dir, 'alone');
  {
    using _held = tryLock(path);
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.startsWith('alone')),
      ['alone'],
    );
  }
});

test('the file of a passing lock exists only while it is held, and releasing it twice removes no other', () => {
  const path = join(dir, 'passing');
  const held = tryPassingLock(path);
  assert.ok(held);
  assert.ok(held.isInPlace());
  assert.equal(tryPassingLock(path), undefined);
  held[Symbol.dispose]();
  assert.equal(existsSync(path), false);
  using next = tryPassingLock(path);
  assert.ok(next);
  held[Symbol.dispose]();
  assert.ok(next.isInPlace());
});

test('processes that take a passing lock again and again never hold it at the same time', async () => {
  const path = join(dir, 'contended');
  const holder = join(dir, 'holder');
  const script = `
    import { mkdirSync, rmdirSync } from 'node:fs';
    import { passingLock } from ${JSON.stringify(import.meta.resolve('./file-lock.ts'))};
    for (let round = 0; round < 60; round += 1) {
      using held = await passingLock(${JSON.stringify(path)}, { signal: new AbortController().signal });
      // Fails while another process holds it.
      mkdirSync(${JSON.stringify(holder)});
      rmdirSync(${JSON.stringify(holder)});
    }`;
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] }),
  );
  const results = children.map(async (child) => {
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const [code] = await once(child, 'close');
    return { code, said };
  });
  for (const result of await Promise.all(results)) assert.deepEqual(result, { code: 0, said: '' });
  using held = await passingLock(path, { signal: neverAborts() });
  assert.equal(held.path, path);
});
