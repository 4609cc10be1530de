import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processesWith } from './fixture.ts';
import { describeVmDriver } from './suite.ts';
import { buildTestGuest } from './test-guest.ts';

describeVmDriver('fake', async (dir) => {
  const guestPath = await buildTestGuest(dir, { signal: AbortSignal.timeout(120_000) });
  const boot = { kernelPath: join(dir, 'kernel'), initrdPath: join(dir, 'initrd'), bootArgs: [] };
  await writeFile(boot.kernelPath, 'never read');
  await writeFile(boot.initrdPath, 'never read');
  return {
    factory: { module: join(import.meta.dirname, 'drivers', 'fake.ts'), options: { guestPath } },
    dir,
    boot,
    accelerator: 'tcg',
    bootDeadlineMs: 10_000,
    lacks: {
      drives: 'the fake has no guest that sees drives',
      kernel: 'the fake boots no kernel',
      blocks: "the fake's drives are empty files",
      panic: 'the fake has no kernel that could panic',
    },
    processes: () => processesWith('--socket', dir),
  };
});
