import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { ProbeOutcome } from './kvm.ts';
import { type KvmContext, KvmFindings } from './kvm-findings.ts';

const MINUTE_MS = 60_000;
const signal = new AbortController().signal;

let dir: string;
let context: KvmContext;
let tests: number;
let now: number;
let load: number;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kvm-'));
  const boot = {
    arch: 'amd64' as const,
    kernelPath: join(dir, 'kernel'),
    initrdPath: join(dir, 'initrd'),
    bootArgs: [],
  };
  await writeFile(boot.kernelPath, 'k');
  await writeFile(boot.initrdPath, 'i');
  context = { bootId: 'b1', binary: { path: '/q', version: '7.2.0' }, boot };
  [tests, now, load] = [0, 1_000_000, 0.2];
});

afterEach(() => rm(dir, { recursive: true }));

async function ask(
  outcome: ProbeOutcome = 'reached',
  changes: Partial<KvmContext> = {},
): Promise<ProbeOutcome> {
  const test = async () => {
    tests += 1;
    return { outcome, deadlineMs: 5_000 };
  };
  const host = { load: () => load, nowMs: () => now, signal };
  return (await new KvmFindings(join(dir, 'cache')).get({ ...context, ...changes }, { test, ...host }))
    .outcome;
}

test('a finding that KVM works, or that its VMM ends on an idle host, is kept', async () => {
  for (const outcome of ['reached', 'ended'] as const) {
    const bootId = `boot-${outcome}`;
    assert.equal(await ask(outcome, { bootId }), outcome);
    now += 1_000 * MINUTE_MS;
    assert.equal(await ask('late', { bootId }), outcome);
  }
  assert.equal(tests, 2);
});

test('a test that timed out, or failed on a busy host, is repeated after 10 minutes, then after twice as long', async () => {
  for (const [outcome, hostLoad] of [
    ['late', 0.2],
    ['ended', 3],
  ] as const) {
    const bootId = `boot-${outcome}`;
    load = hostLoad;
    tests = 0;
    for (const waitMin of [10, 20, 40, 80, 160, 240, 240]) {
      assert.equal(await ask(outcome, { bootId }), outcome);
      const tested = tests;
      now += waitMin * MINUTE_MS - 1;
      assert.equal(await ask('reached', { bootId }), outcome, `after less than ${waitMin} min`);
      assert.equal(tests, tested);
      now += 1;
    }
    assert.equal(await ask('reached', { bootId }), 'reached');
  }
});

test('concurrent callers share one test', async () => {
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), Array(3).fill('reached'));
  assert.equal(tests, 1);
});

test('KVM is tested again after a host boot, or with another QEMU or kernel, and findings of other boots are deleted', async () => {
  await ask();
  await ask('reached', { binary: { ...context.binary, version: '8.0.0' } });
  assert.equal(tests, 2);
  await writeFile(context.boot.kernelPath, 'other');
  await ask();
  assert.equal(tests, 3);
  await ask('reached', { bootId: 'b2' });
  assert.equal(tests, 4);
  const left = (await readdir(join(dir, 'cache'))).filter((name) => name.endsWith('.finding'));
  assert.equal(left.length, 1);
});

test('a finding that cannot be read, such as one of an older version, is replaced', async () => {
  await ask();
  const cache = join(dir, 'cache');
  const [name] = (await readdir(cache)).filter((each) => each.endsWith('.finding'));
  for (const text of ['no', 'yes', '', 'null', '[]', '{"outcome":"maybe"}', '{"outcome":"late"}']) {
    await writeFile(join(cache, name ?? ''), text);
    tests = 0;
    assert.equal(await ask(), 'reached');
    assert.equal(tests, 1, text);
  }
});

test('a test that fails to run leaves no finding', async () => {
  const findings = new KvmFindings(join(dir, 'cache'));
  const broken = async (): Promise<never> => {
    throw new TypeError('broken');
  };
  const host = { load: () => load, nowMs: () => now, signal };
  await assert.rejects(findings.get(context, { test: broken, ...host }), TypeError);
  assert.equal(await ask(), 'reached');
});
