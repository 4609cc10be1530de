import type { Socket } from 'node:net';

/**
 * Breaks a TCP connection: its peer gets a reset, and what was not sent yet is lost. When everything and the
 * end have been handed to the kernel, only the end of that is awaited there: these bytes still arrive.
 * Harmless on a closed socket.
 */
export function breakSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv does not reset a socket whose end it is about to send (`uv_tcp_close_reset`). Node then never
  // closes that socket: it keeps the descriptor, and the process never exits.
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isEnding) socket.destroy();
  else socket.resetAndDestroy();
}
