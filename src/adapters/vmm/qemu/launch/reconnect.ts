import { type Abortable, sleep } from '../../../../base/abort.ts';
import { isAppError, isErrno } from '../../../../base/errors.ts';
import type { Logger } from '../../../../base/log.ts';
import type { VmmProcess } from '../../../../core/ports/vmm/running-vm.ts';
import { isAlive } from '../../vmm-process.ts';
import { connectQmp, type QmpClient } from '../qmp/qmp-client.ts';
import { takeOver } from '../save/save.ts';
import { guestName } from './argv.ts';
import { runState } from './launch.ts';

/**
 * `ms` after which a QEMU counts as not answering. It answers within a few ms, on a busy host within some
 * hundred.
 */
const SILENT_MS = 2_000;

/** `ms` between two attempts when its socket accepts no further connection. */
const AGAIN_MS = 200;

/**
 * States from which a guest can resume, including one that was being saved or copied, or that a full disk has
 * paused (`RunState` of QEMU's QMP schema).
 */
const ALIVE_STATES = ['running', 'paused', 'finish-migrate', 'postmigrate', 'io-error'];

/** Which VM the QEMU runs. */
export interface ReconnectOptions extends Abortable {
  vmId: string;
  /** its control socket */
  path: string;
  /** called once when it does not answer and this starts waiting for it */
  onSilent: () => void;
  log: Logger;
}

/**
 * Opens the control connection of a VM that an earlier daemon started, and brings its guest back to running
 * alone. Returns `undefined` when no QEMU answers for this VM. Waits for a QEMU that hangs as long as its
 * process lives, because it may only have been stopped.
 *
 * @throws {AppError} VMM_REFUSED; the abort reason.
 */
export async function reconnectQemu(
  vmm: VmmProcess,
  options: ReconnectOptions,
): Promise<QmpClient | undefined> {
  const { signal, vmId, log } = options;
  const silent = setTimeout(options.onSilent, SILENT_MS);
  try {
    for (;;) {
      const found = await attempt(options);
      if (found !== 'hangs') return found;
      if (!(await isAlive(vmm))) return undefined;
      await sleep(AGAIN_MS, { signal });
    }
  } catch (error) {
    const isNobody = isErrno(error, 'ENOENT', 'ECONNREFUSED');
    if (!isNobody && !isAppError(error, 'VMM_LOST', 'VMM_PROTOCOL')) throw error;
    log.warn('a VMM runs but does not answer', { vmId, error });
    return undefined;
  } finally {
    clearTimeout(silent);
  }
}

async function attempt({ vmId, path, signal }: ReconnectOptions): Promise<QmpClient | undefined | 'hangs'> {
  let qmp: QmpClient | undefined;
  try {
    qmp = await connectQmp(path, { signal });
    if (await isMeant(qmp, { vmId, signal })) {
      await takeOver(qmp);
      return qmp;
    }
    qmp[Symbol.dispose]();
    return undefined;
  } catch (error) {
    qmp?.[Symbol.dispose]();
    // Its backlog is full of connections that it has not accepted.
    if (isErrno(error, 'EAGAIN') || isAppError(error, 'WAIT_TIMEOUT')) return 'hangs';
    throw error;
  }
}

/** True when this QEMU runs the VM `vmId`, and its guest can still be used. */
async function isMeant(qmp: QmpClient, { vmId, signal }: Abortable & { vmId: string }): Promise<boolean> {
  const answer = await qmp.execute('query-name', {}, { signal });
  const name = typeof answer === 'object' && answer && 'name' in answer ? answer.name : undefined;
  return name === guestName(vmId) && ALIVE_STATES.includes(await runState(qmp, { signal }));
}
