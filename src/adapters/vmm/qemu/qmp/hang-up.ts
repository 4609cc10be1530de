import { type Abortable, poll } from '../../../../base/abort.ts';
import { connectUnix } from '../../../../base/unix-socket.ts';
import { agentChardev } from '../agent-chardev.ts';
import type { QmpClient } from './qmp-client.ts';

const DEADLINE_MS = 10_000;

/**
 * Opens and closes the agent's port once, so that a guest that was just restored notices that its old host
 * connection is gone. The guest may have been copied while QEMU waited for a slow host to read its output.
 * That wait is part of the port's state, and QEMU retries only after the host has hung up
 * (`virtio_serial_close` in its hw/char/virtio-serial-bus.c). Otherwise nobody would ever receive anything
 * from the copy. The guest must be running: the port of a paused guest does not see a connection.
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
 * The same for a guest that was paused and resumed: it still waits for a host that hung up meanwhile. Does
 * nothing when the host is still connected.
 */
export async function hangUpForLost(
  qmp: QmpClient,
  options: Abortable & { agentSocket: string },
): Promise<void> {
  if (!(await isAgentConnected(qmp, options))) await hangUp(qmp, options);
}

/** QEMU reports an unconnected socket as `disconnected:<path>` (`ChardevInfo` of its QMP schema). */
async function isAgentConnected(qmp: QmpClient, options: Abortable): Promise<boolean> {
  const { filename } = await agentChardev(qmp, options);
  return !String(filename).startsWith('disconnected:');
}
