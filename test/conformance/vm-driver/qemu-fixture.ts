import { join } from 'node:path';
import { linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import { patient } from '../../support/patience.ts';
import { type DriverFixture, processesWith } from './fixture.ts';
import { buildTestGuest, testBootSource } from './test-guest.ts';

/** What the suites need of the QEMU driver, in `dir`; the reason, when this host has no kernel for it. */
export async function makeQemuFixture(dir: string): Promise<DriverFixture | string> {
  const signal = AbortSignal.timeout(patient(120_000));
  const { arch } = linuxHostFacts();
  const guestPath = await buildTestGuest(dir, { signal });
  const boot = await testBootSource(dir, { guestPath, arch, signal });
  if (!boot) return 'no kernel is in the store: banger image build debian-bookworm';
  return {
    driver: { name: 'qemu', cacheDir: join(dir, 'cache'), guestPath },
    dir,
    boot,
    // KVM only on request, for hosts on which it is known to work, such as the nested one.
    accelerator: process.env['BANGER_TEST_ACCELERATOR'] === 'kvm' ? 'kvm' : 'tcg',
    bootDeadlineMs: patient(60_000),
    lacks: {},
    processes: async () =>
      (await Promise.all([processesWith('-pidfile', dir), processesWith('--dir', dir)])).flat(),
  };
}
