import { arch } from 'node:process';
import { fileURLToPath } from 'node:url';
import { FsKernelStore } from '../../../src/adapters/kernel/kernel-store.ts';
import type { Abortable } from '../../../src/base/abort.ts';
import { processEnvironment, resolvePaths } from '../../../src/config/settings.ts';
import type { GuestArch } from '../../../src/core/ports/images/guest-arch.ts';
import type { StoredKernel } from '../../../src/core/ports/images/kernels.ts';
import { NO_KERNELS } from '../../support/no-kernels.ts';
import { nullLog } from '../../support/null-log.ts';

/** Architecture of this host, and so of its guests. */
export const GUEST_ARCH: GuestArch = arch === 'arm64' ? 'arm64' : 'amd64';

/**
 * The newest kernel of the product's store for this host, with an initramfs of the agent in `agent/bin`;
 * `undefined` when the store has none, because no image was built yet.
 *
 * @throws {AppError} AGENT_NOT_FOUND when the agent was not built.
 */
export async function findKernel({ signal }: Abortable): Promise<StoredKernel | undefined> {
  const env = processEnvironment();
  const store = new FsKernelStore({
    kernelsDir: resolvePaths(env).kernelsDir,
    source: NO_KERNELS,
    agentPath: (guest) => fileURLToPath(new URL(`../../../agent/bin/banger-agent-${guest}`, import.meta.url)),
    uid: process.getuid?.() ?? 0,
    env,
    log: nullLog,
  });
  const kernels = (await store.list()).filter((kernel) => kernel.arch === GUEST_ARCH);
  const newest = kernels.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0];
  return newest && (await store.get(newest.name, { signal }));
}
