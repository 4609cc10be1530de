import { type Abortable, poll } from '../../../../base/abort.ts';
import { connectUnix } from '../../../../base/unix-socket.ts';
import { agentChardev } from '../agent-chardev.ts';
import type { QmpClient } from './qmp-client.ts';

const DEADLINE_MS = 10_000;

/**
 * Lets the agent's port of a guest that was just restored see a host that comes and goes. A guest may have
 * been copied while QEMU waited for a slow host to read what it says. That is part of the port's state, and
 * QEMU tries again only when a host has hung up (`virtio_serial_close` in its hw/char/virtio-serial-bus.c):
 * without that, nobody would ever hear anything of the copy. The guest must run: the port of one that stands
 * still sees nobody.
 */
export async function hangUp(
  qmp: QmpClient,
  { agentSocket, signal }: Abortable & { agentSocket: string },
): Promise<void> {
  const until = async (isConnected: boolean): Promise<void> => {
    const look = async (): Promise<true | undefined> =>
      (await isAgentConnected(qmp, { signal })) === isConnected ? true : undefined;
    await poll(look, { everyMs: 1, deadlineMs: DEADLINE_MS, what: 'the port of the agent', signal });
  };
  const socket = connectUnix(agentSocket);
  socket.on('error', () => {});
  try {
    await until(true);
  } finally {
    socket.destroy();
  }
  await until(false);
}

/**
 * The same for a guest that has stood still while it ran: a host that hung up meanwhile is one that it still
 * waits for. One that is there is left alone.
 */
export async function hangUpForLost(
  qmp: QmpClient,
  options: Abortable & { agentSocket: string },
): Promise<void> {
  if (!(await isAgentConnected(qmp, options))) await hangUp(qmp, options);
}

/**
 * QEMU calls the other end of a socket that nobody is connected to `disconnected:<path>` (`ChardevInfo` of
 * its QMP schema).
 */
async function isAgentConnected(qmp: QmpClient, options: Abortable): Promise<boolean> {
  const { filename } = await agentChardev(qmp, options);
  return !String(filename).startsWith('disconnected:');
}
