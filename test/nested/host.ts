import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureDefaultImage } from '../../scripts/test/default-image.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { ResourceStack } from '../../src/base/resource-stack.ts';
import { processEnvironment, resolvePaths } from '../../src/config/settings.ts';
import { overlaySize } from '../../src/core/overlay-size.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import type { DriveSpec } from '../../src/core/ports/vmm/spec.ts';
import { bootVm, type TestVm } from '../e2e/support/boot-vm.ts';
import { findKernel } from '../e2e/support/kernel.ts';
import { makeSparse } from '../e2e/support/small-image.ts';
import { makeHostDrive } from './host-drive.ts';
import { hostImage } from './host-image.ts';

const MIB = 2 ** 20;
const MINUTE_MS = 60_000;
const HOST_MEMORY_MIB = 3 * 1024;
const HOST_FREE_BYTES = 512 * MIB;
const BOOT_DEADLINE_MS = 30 * MINUTE_MS;
/**
 * The host emulates a processor that runs VMs, so on a busy machine its agent may wait for minutes. Each
 * check has its own deadline.
 */
const WATCH_TIMES = { quietMs: MINUTE_MS, silentMs: 15 * MINUTE_MS, startingMs: 15 * MINUTE_MS };

/** Starts the host with its drives in their present state. */
export type StartHost = (options: Abortable) => Promise<Host>;

/** A running host, and the link to its agent. Disposing ends it as a power cut does. */
export class Host implements AsyncDisposable {
  readonly agent: GuestAgent;
  readonly #vm: TestVm;

  constructor(vm: TestVm, agent: GuestAgent) {
    this.#vm = vm;
    this.agent = agent;
  }

  async hasPanicked(): Promise<boolean> {
    return (await readFile(this.#vm.consoleLogPath, 'latin1')).includes('Kernel panic');
  }

  async copyConsole(to: string): Promise<void> {
    await cp(this.#vm.consoleLogPath, to);
  }

  /** Copies the host's console, and the logs of its daemon, its VMs and failed tests, to `dir`. */
  async copyLogs(dir: string, { signal }: Abortable): Promise<void> {
    await this.copyConsole(join(dir, 'host-console.log'));
    const script =
      "find .local/state/banger t -name '*.log' -size -4M -print0 | tar -czf - --null -T - || true";
    const { stdout } = await this.agent.run({ argv: ['sh', '-c', `cd /root; ${script}`] }, { signal });
    await writeFile(join(dir, 'host-logs.tar.gz'), stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
    await this.#vm[Symbol.asyncDispose]();
  }
}

/**
 * Makes the host's drives in `scratch`. Returns a function that starts the host with them, repeatedly if
 * needed.
 */
export async function prepareHost(
  scratch: string,
  { root, signal }: Abortable & { root: string },
): Promise<StartHost> {
  await ensureDefaultImage(root);
  const kernel = await findKernel({ signal });
  if (!kernel) throw new Error('no kernel is in the store: npm run setup');
  const image = await hostImage(join(resolvePaths(processEnvironment()).cacheDir, 'nested-host'), { signal });
  const path = (name: string): string => join(scratch, name);
  await makeHostDrive(path('work.ext4'), { root, kernel, scratchDir: scratch, signal });
  const { overlayBytes } = overlaySize({ imageBytes: image.sizeBytes, freeBytes: HOST_FREE_BYTES });
  await makeSparse(path('overlay.img'), overlayBytes);
  const drives: DriveSpec[] = [
    drive('root', image.path, true),
    drive('overlay', path('overlay.img'), false),
    drive('work', path('work.ext4'), false),
    drive('modules', kernel.modulesPath, true),
  ];
  const bootArgs = ['rw', `banger.overlay_free=${HOST_FREE_BYTES}`];
  const request = { dir: scratch, kernel, drives, bootArgs, memoryMib: HOST_MEMORY_MIB };
  return async (options) => {
    const times = { bootDeadlineMs: BOOT_DEADLINE_MS, watchTimes: WATCH_TIMES };
    await using undo = new ResourceStack();
    const vm = await bootVm({ ...request, ...times }, options);
    undo.defer('kill the host', () => vm.kill());
    const agent = await vm.connect();
    undo.defer('close the link to the host', async () => await agent[Symbol.asyncDispose]());
    await agent.ready(options);
    undo.move();
    return new Host(vm, agent);
  };
}

function drive(serial: DriveSpec['serial'], pathOnHost: string, isReadOnly: boolean): DriveSpec {
  return { serial, pathOnHost, format: 'raw', isReadOnly, sizeBytes: 0 };
}
