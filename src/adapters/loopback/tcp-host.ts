import { once } from 'node:events';
import { connect } from 'node:net';
import { AppError } from '../../base/errors.ts';
import type { HostConnector } from '../../core/ports/loopback.ts';
import { connectionOf, KEEP_ALIVE } from './tcp-listeners.ts';

/** Connects to this host's 127.0.0.1 and nowhere else. */
export const TCP_HOST: HostConnector = {
  async connect(port, { signal }) {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true, ...KEEP_ALIVE });
    try {
      await once(socket, 'connect', { signal });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    const connection = connectionOf(socket);
    if (connection) return connection;
    throw new AppError('PORT_UNAVAILABLE', `Cannot connect to port ${port} of this host: it closed at once`);
  },
};
