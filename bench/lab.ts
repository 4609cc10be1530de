import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Abortable, neverAborts, poll } from '../src/base/abort.ts';
import { isErrno } from '../src/base/errors.ts';
import { exec } from '../src/base/process/exec.ts';
import { ResourceStack } from '../src/base/resource-stack.ts';
import { resolvePaths } from '../src/config/settings.ts';
import { type BangerClient, createClient } from '../src/sdk/client.ts';
import { resultOf } from '../src/sdk/work.ts';

/** A separate daemon to measure with: it has its own records and sockets, and uses the user's images. */
export interface Lab extends AsyncDisposable {
  root: string;
  /** folder for temporary files; removed at the end */
  scratch: string;
  env: NodeJS.ProcessEnv;
  banger: string;
  node: string;
  client: BangerClient;
  /** Sets whether the daemon keeps a pool VM (at first it does not), and restarts the daemon. */
  setStandby(hasStandby: boolean, options: Abortable): Promise<void>;
  /** Waits until there is a pool VM. */
  standby(options: Abortable): Promise<void>;
}

/** `ms` for the daemon to exit after a request to stop. */
const STOP_DEADLINE_MS = 20_000;

/** `ms` for a pool VM to appear. */
const STANDBY_DEADLINE_MS = 60_000;

/** Starts a daemon in a scratch folder. Disposing deletes its VMs, ends it, and removes the folder. */
export async function openLab(root: string, { signal }: Abortable): Promise<Lab> {
  await using undo = new ResourceStack();
  // Short, because of the 107 bytes of a socket's path.
  const scratch = await mkdtemp(join(tmpdir(), 'bb-'));
  undo.defer('remove the scratch folder', () => rm(scratch, { recursive: true, force: true }));
  const { NODE_EXTRA_CA_CERTS: _slowsNodeDown, ...inherited } = process.env;
  const env = {
    ...inherited,
    XDG_STATE_HOME: join(scratch, 's'),
    XDG_RUNTIME_DIR: join(scratch, 'r'),
    XDG_CONFIG_HOME: join(scratch, 'c'),
  };
  const banger = join(root, 'bin', 'banger');
  const { daemonSocket, configFile } = resolvePaths(env);
  const client = createClient({ socketPath: daemonSocket });
  const configure = async (hasStandby: boolean): Promise<void> => {
    await mkdir(dirname(configFile), { recursive: true });
    await writeFile(configFile, `standby = ${hasStandby}\n`);
  };
  await configure(false);
  undo.defer('end the daemon', () => endDaemon(client));
  await exec([banger, 'vm', 'list'], { env, signal });
  const owned = undo.move();
  return {
    root,
    scratch,
    env,
    banger,
    node: process.execPath,
    client,
    async setStandby(hasStandby, options) {
      await configure(hasStandby);
      await exec([banger, 'daemon', 'stop'], { env, ...options });
      await exec([banger, 'vm', 'list'], { env, ...options });
    },
    async standby(options) {
      const look = async (): Promise<string | undefined> => (await client.daemonStatus(options)).standbyVmId;
      const what = 'a VM on standby';
      await poll(look, { everyMs: 20, deadlineMs: STANDBY_DEADLINE_MS, what, ...options });
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function endDaemon(client: BangerClient): Promise<void> {
  const signal = neverAborts();
  const { pid } = await client.daemonStatus({ signal });
  for (const vm of await client.listVms({ isAll: true, signal })) {
    await resultOf(client.deleteVm(vm.id, { signal }));
  }
  await client.stopDaemon({ signal });
  const what = 'the daemon to end';
  await poll(() => isGone(pid), { everyMs: 20, deadlineMs: STOP_DEADLINE_MS, what, signal });
}

async function isGone(pid: number): Promise<true | undefined> {
  try {
    // A dead child process is still listed, but without a command line.
    return (await readFile(`/proc/${pid}/cmdline`)).length === 0 ? true : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return true;
    throw error;
  }
}
