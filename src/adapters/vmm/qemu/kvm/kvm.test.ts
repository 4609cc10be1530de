import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type KvmContext, KvmFindings, reasonAgainstKvm } from './kvm.ts';

const REASONS: readonly [string, Parameters<typeof reasonAgainstKvm>[0], string | undefined][] = [
  ['Intel', { arch: 'amd64', cpuInfo: 'flags\t: fpu vmx sse', openError: undefined }, undefined],
  ['AMD', { arch: 'amd64', cpuInfo: 'flags\t: fpu svm sse', openError: undefined }, undefined],
  [
    'arm64, which has no such flags',
    { arch: 'arm64', cpuInfo: 'Features\t: fp', openError: undefined },
    undefined,
  ],
  [
    'a VM whose processor has vmmcall only',
    { arch: 'amd64', cpuInfo: 'flags\t: fpu vmmcall svm_lock', openError: undefined },
    'KVM is not usable here (the CPU offers no vmx or svm)',
  ],
  [
    'a host without the module',
    { arch: 'amd64', cpuInfo: 'flags\t: vmx', openError: 'ENOENT' },
    'KVM is not usable here (/dev/kvm is missing; load the kernel module kvm_intel or kvm_amd)',
  ],
  [
    'a user outside the group',
    { arch: 'amd64', cpuInfo: 'flags\t: vmx', openError: 'EACCES' },
    'KVM is not usable here (/dev/kvm: permission denied; add yourself to the kvm group)',
  ],
  [
    'a device that fails',
    { arch: 'arm64', cpuInfo: '', openError: 'ENODEV' },
    'KVM is not usable here (/dev/kvm cannot be opened: ENODEV)',
  ],
];

for (const [what, facts, reason] of REASONS) {
  test(`${what}: ${reason ?? 'only a test boot can tell'}`, () =>
    assert.equal(reasonAgainstKvm(facts), reason));
}

const signal = new AbortController().signal;
let dir: string;
let context: KvmContext;
let tests: number;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kvm-'));
  const boot = { kernelPath: join(dir, 'kernel'), initrdPath: join(dir, 'initrd'), bootArgs: [] };
  await writeFile(boot.kernelPath, 'k');
  await writeFile(boot.initrdPath, 'i');
  context = { bootId: 'b1', binary: { path: '/q', version: '7.2.0', machines: new Set() }, boot };
  tests = 0;
});

afterEach(() => rm(dir, { recursive: true }));

function ask(changes: Partial<KvmContext> = {}, result = true): Promise<boolean> {
  const test = async (): Promise<boolean> => {
    tests += 1;
    return result;
  };
  return new KvmFindings(join(dir, 'cache')).get({ ...context, ...changes }, { test, signal });
}

test('a finding is remembered, good or bad', async () => {
  assert.equal(await ask({}, false), false);
  assert.equal(await ask({}, true), false);
  assert.equal(tests, 1);
});

test('callers at once share one test', async () => {
  assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [true, true, true]);
  assert.equal(tests, 1);
});

test('another host boot, QEMU or kernel is tested anew, and findings of other boots go', async () => {
  await ask();
  await ask({ binary: { ...context.binary, version: '8.0.0' } });
  assert.equal(tests, 2);
  await writeFile(context.boot.kernelPath, 'other');
  await ask();
  assert.equal(tests, 3);
  await ask({ bootId: 'b2' });
  assert.equal(tests, 4);
  const left = (await readdir(join(dir, 'cache'))).filter((name) => name.endsWith('.finding'));
  assert.equal(left.length, 1);
});

test('a test that fails to run leaves no finding', async () => {
  const findings = new KvmFindings(join(dir, 'cache'));
  const broken = async (): Promise<boolean> => {
    throw new TypeError('broken');
  };
  await assert.rejects(findings.get(context, { test: broken, signal }), TypeError);
  assert.equal(await ask(), true);
});
