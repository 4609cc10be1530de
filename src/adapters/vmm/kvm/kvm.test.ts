import assert from 'node:assert/strict';
import { test } from 'node:test';
import { againstKvm, kvmDeadlineMs, reasonAgainstKvm } from './kvm.ts';

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

test('a test boot has more time on a busy host, and on a host that is itself a VM', () => {
  const [bare, vm] = ['flags\t: vmx sse', 'flags\t: svm hypervisor sse'];
  const deadlines = [bare, vm].map((cpuInfo) =>
    [0.1, 1, 2.5, 40].map((load) => kvmDeadlineMs({ cpuInfo, load })),
  );
  assert.deepEqual(deadlines, [
    [5_000, 5_000, 12_500, 20_000],
    [15_000, 15_000, 37_500, 60_000],
  ]);
});

test('the hint after a test boot that timed out differs from that for hardware without KVM', () => {
  const nowMs = 1_000;
  assert.equal(againstKvm({ outcome: 'reached', deadlineMs: 5_000 }, { nowMs, vmm: 'QEMU' }), undefined);
  const late = againstKvm(
    { outcome: 'late', deadlineMs: 15_000, retryAtMs: nowMs + 590_000 },
    { nowMs, vmm: 'QEMU' },
  );
  assert.equal(late?.reason, 'KVM is not usable here (a test boot did not reach the initramfs in 15 s)');
  assert.match(
    late?.hint ?? '',
    /^banger tests it again in 10 min; BANGER_ACCELERATOR=kvm uses KVM without a test, /,
  );
  const ended = againstKvm({ outcome: 'ended', deadlineMs: 5_000 }, { nowMs, vmm: 'QEMU' });
  assert.equal(ended?.reason, 'KVM is not usable here (QEMU ended in the middle of a test boot)');
  assert.match(ended?.hint ?? '', /^BANGER_ACCELERATOR=kvm uses/);
});
