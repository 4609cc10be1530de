import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { neverAborts } from '../../../src/base/abort.ts';
import { ensurePrivateDir } from '../../../src/base/files/private-dir.ts';
import { loadSettings } from '../../../src/config/load-settings.ts';
import { type Environment, processEnvironment } from '../../../src/config/settings.ts';
import { deleteVm } from '../../../src/core/vms/lifecycle/delete-vm.ts';
import { Pool } from '../../../src/core/vms/pool/pool.ts';
import { TakeOver } from '../../../src/core/vms/recovery/take-over.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { type Composition, compose } from '../../../src/daemon/compose.ts';
import { removeTree } from '../../helpers/remove-tree.ts';
import { LAB_BUILD } from '../../support/daemon-lab.ts';
import { nullLog } from '../../support/null-log.ts';
import { SOURCE_RECEIVER } from '../../support/receiver.ts';
import { LAB_POOL } from '../../support/steps/lab-pool.ts';

const ROOT = join(import.meta.dirname, '../../..');
const signal = neverAborts();

/** The core of a daemon in this process, with real VMs and the user's images, and records of its own. */
export interface CoreLab extends AsyncDisposable {
  readonly world: VmWorld;
  /** Leaves the VMs as a daemon that is killed does, and takes them over with a new {@link world}. */
  restart(): Promise<void>;
}

/** Makes a lab. Disposing deletes its VMs and its folder. */
export async function openCoreLab({ hasPool }: { hasPool: boolean }): Promise<CoreLab> {
  // Short, because of the 107 bytes of a socket's path.
  const scratch = await mkdtemp(join(tmpdir(), 'co-'));
  const env: Environment = {
    ...processEnvironment(),
    XDG_STATE_HOME: join(scratch, 's'),
    XDG_RUNTIME_DIR: join(scratch, 'r'),
    XDG_CONFIG_HOME: join(scratch, 'c'),
  };
  const settings = loadSettings(env);
  const { paths } = settings;
  for (const dir of [paths.stateDir, paths.vmsDir, paths.vmBasesDir, paths.runtimeDir, paths.vmRuntimeDir]) {
    await ensurePrivateDir(dir);
  }
  const open = (): Composition => {
    const composition = compose({
      settings,
      env,
      uid: process.getuid?.() ?? 0,
      agentDir: join(ROOT, 'agent', 'bin'),
      hostToolsDir: join(ROOT, 'host', 'bin'),
      receiver: SOURCE_RECEIVER,
      build: LAB_BUILD,
      log: nullLog,
    });
    const { world } = composition;
    if (hasPool) world.pool = new Pool(world, LAB_POOL);
    else delete world.pool;
    return composition;
  };
  let composition = open();
  return {
    get world() {
      return composition.world;
    },
    async restart() {
      const { world } = composition;
      await world.pool?.[Symbol.asyncDispose]();
      for (const vmId of world.live.ids()) await world.live.remove(vmId);
      composition[Symbol.dispose]();
      composition = open();
      await (await TakeOver.begin(composition.world, { signal })).done;
    },
    async [Symbol.asyncDispose]() {
      const { world } = composition;
      await world.pool?.[Symbol.asyncDispose]();
      for (const { id } of world.records.list()) await deleteVm(world, id);
      composition[Symbol.dispose]();
      await removeTree(scratch);
    },
  };
}
