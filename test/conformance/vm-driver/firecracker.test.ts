import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildFirecracker } from '../../support/fakes/build-firecracker.ts';
import { processesWith } from './fixture.ts';
import { describeVmDriver } from './suite.ts';
import { buildTestGuest } from './test-guest.ts';

// The real program is in no package. Its stand-in checks each request against the published API.
describeVmDriver('firecracker', async (dir) => {
  const guestPath = await buildTestGuest(dir, { signal: AbortSignal.timeout(120_000) });
  await buildFirecracker(dir, { guestArgv: [guestPath, '--socket', 'SOCKET'] });
  const boot = {
    arch: 'amd64' as const,
    kernelPath: join(dir, 'vmlinux'),
    vmlinuxPath: join(dir, 'vmlinux'),
    initrdPath: join(dir, 'initrd'),
    bootArgs: [],
  };
  await writeFile(boot.vmlinuxPath, '\x7fELF, and never run');
  await writeFile(boot.initrdPath, 'never read');
  return {
    driver: { name: 'firecracker', cacheDir: join(dir, 'cache'), guestPath },
    dir,
    boot,
    accelerator: 'kvm',
    bootDeadlineMs: 10_000,
    lacks: {
      drives: 'the stand-in has no guest that sees drives',
      kernel: 'the stand-in boots no kernel',
      cache: 'drives on Firecracker are made without a cache',
      network: 'VMs on Firecracker have no network',
      panic: 'the stand-in has no kernel that could panic',
    },
    processes: () => processesWith('--api-sock', dir),
  };
});
