import { sleep } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import { spawnDetached } from '../../src/base/process/exec.ts';
import { endChild } from '../end-child.ts';
import { bareQemuLike, whileBareRuns } from '../floor/bare-qemu.ts';
import type { Measurement } from '../measurement.ts';
import { memoryOf } from '../process-memory.ts';
import { withVm } from '../with-vm.ts';

/** `ms` of quiet before memory is read. */
const SETTLE_MS = 15_000;
const QUICK_SETTLE_MS = 3_000;

/** What the daemon and one VM cost while nothing happens. */
export const idleMemory: Measurement = {
  name: 'idle-memory',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (running) => {
      const { runtime, shape } = running;
      invariant(runtime, 'a VM that was started has a VMM');
      const settleMs = isQuick ? QUICK_SETTLE_MS : SETTLE_MS;
      await sleep(settleMs, { signal });
      const { pid } = await lab.client.daemonStatus({ signal });
      const [daemon, vm] = [await memoryOf(pid), await memoryOf(runtime.pid)];
      const node = await idleNode(lab.node, settleMs);
      const like = await bareQemuLike(running, lab, { signal });
      const bare = await whileBareRuns(like, { signal }, async (pidOfBare) => {
        await sleep(settleMs, { signal });
        return await memoryOf(pidOfBare);
      });
      const common = { unit: 'MiB', runs: 1 } as const;
      return [
        {
          ...common,
          name: 'daemon-private-memory',
          what: 'daemon, idle, private',
          median: daemon.privateMib,
          floor: node.privateMib,
          floorIs: 'an idle `node`',
        },
        {
          ...common,
          name: 'daemon-proportional-memory',
          what: 'daemon, idle, proportional (PSS)',
          median: daemon.pssMib,
          floor: node.pssMib,
          floorIs: 'an idle `node`',
        },
        {
          ...common,
          name: 'vm-private-memory',
          what: `VM of ${shape.memoryMib} MiB, idle, private`,
          median: vm.privateMib,
          floor: bare.privateMib,
          floorIs: 'bare QEMU, same kernel, no root file system',
        },
        {
          ...common,
          name: 'vm-proportional-memory',
          what: `VM of ${shape.memoryMib} MiB, idle, proportional (PSS)`,
          median: vm.pssMib,
          floor: bare.pssMib,
          floorIs: 'bare QEMU, same kernel, no root file system',
        },
      ];
    }),
};

async function idleNode(node: string, settleMs: number) {
  const child = await spawnDetached([node, '-e', 'setInterval(() => {}, 1e9)'], { outputFd: 2 });
  try {
    await sleep(Math.min(settleMs, 1_000), { signal: AbortSignal.timeout(settleMs + 1_000) });
    return await memoryOf(child.pid);
  } finally {
    await endChild(child);
  }
}
