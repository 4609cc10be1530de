import { createSocket } from 'node:dgram';
import { isErrno } from '../../base/errors.ts';
import type { AddressClaims } from '../../core/ports/loopback.ts';

/**
 * The UDP port that marks an address as claimed. The kernel lets only one socket of the host have it, and
 * guests' ports, which are TCP, never need it.
 */
const CLAIM_PORT = 7480;

/** Claims addresses by binding a UDP socket to each, which ends with the program. */
export const UDP_CLAIMS: AddressClaims = {
  async claim(address) {
    const socket = createSocket('udp4');
    socket.unref();
    const { promise: bound, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    socket.bind({ address, port: CLAIM_PORT, exclusive: true }, resolve);
    const close = { [Symbol.dispose]: () => socket.close() };
    try {
      await bound;
    } catch (error) {
      socket.close();
      return isErrno(error, 'EADDRINUSE') ? undefined : { [Symbol.dispose]: () => {} };
    }
    socket.on('error', () => {});
    return close;
  },
};
