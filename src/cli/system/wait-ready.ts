import { type Abortable, poll } from '../../base/abort.ts';
import { exec } from '../../base/process/exec.ts';
import { SYSTEM } from '../../config/system-install.ts';
import { createClient } from '../../sdk/client.ts';
import { isListening } from '../../sdk/is-listening.ts';
import { askHelper, type HelperStatus } from './ask-helper.ts';

/** A daemon that adopts many VMs, or runs on an emulated host, takes this long. */
const READY_DEADLINE_MS = 90_000;
const POLL_MS = 200;

/** Waits until daemon and helper answer: systemd calls a service active before it does. */
export async function waitReady({ signal }: Abortable): Promise<void> {
  const socketPath = `${SYSTEM.runtimeDir}/bangerd.sock`;
  const client = createClient({ socketPath });
  const look = async (): Promise<true | undefined> => {
    const isUp = await isListening({ socketPath, isService: true, signal });
    if (!isUp || (await askHelper({ signal })) === undefined) return undefined;
    await client.daemonStatus({ signal });
    return true;
  };
  await poll(look, {
    everyMs: POLL_MS,
    deadlineMs: READY_DEADLINE_MS,
    what: 'the services to answer',
    signal,
  });
}

/** What `banger system status` prints. */
export interface ServiceState {
  /** as systemd names it, such as `active` or `failed` */
  daemon: string;
  helper: string;
  helperSocket: string;
  /** absent: the helper does not answer this user */
  helperStatus?: HelperStatus;
}

/** Asks systemd and the helper. */
export async function serviceState({ signal }: Abortable): Promise<ServiceState> {
  const [daemon, helper, helperSocket] = await Promise.all(
    [SYSTEM.daemonUnit, SYSTEM.helperUnit, SYSTEM.helperSocketUnit].map((unit) => activity(unit, { signal })),
  );
  const helperStatus = helper === 'active' ? await askHelper({ signal }) : undefined;
  return {
    daemon: daemon ?? 'unknown',
    helper: helper ?? 'unknown',
    helperSocket: helperSocket ?? 'unknown',
    ...(helperStatus ? { helperStatus } : {}),
  };
}

async function activity(unit: string, { signal }: Abortable): Promise<string> {
  const { stdout } = await exec(['systemctl', 'is-active', unit], { signal, okCodes: [0, 1, 2, 3, 4] });
  return stdout.toString('utf8').trim() || 'unknown';
}
