import type { Logger } from '../../base/log.ts';
import type { ApiSocket } from '../api-socket.ts';
import type { DaemonLock } from '../daemon-lock.ts';

/** What {@link watchPlaces} looks at. */
export interface PlaceWatchOptions {
  lock: DaemonLock;
  socket: ApiSocket;
  /** writes down again who the daemon is */
  announce: () => void;
  /** called once when the state folder has been taken away */
  onLost: () => void;
  log: Logger;
  /** default: a second */
  everyMs?: number;
}

/** Four calls of lstat(2) each time. */
const EVERY_MS = 1_000;

/**
 * Keeps the daemon reachable: whatever deletes or replaces its socket, it listens there again within a
 * second. Disposing stops it, and waits for what it is doing.
 */
export function watchPlaces({
  lock,
  socket,
  announce,
  onLost,
  log,
  everyMs = EVERY_MS,
}: PlaceWatchOptions): AsyncDisposable {
  let working: Promise<void> | undefined;
  let isLost = false;
  const look = async (): Promise<void> => {
    try {
      isLost = !lock.keep();
      if (isLost) {
        log.error('the state folder was removed or replaced');
        return onLost();
      }
      if (!(await socket.restore())) return;
      log.warn('the socket was gone and is made again');
      announce();
    } catch (error) {
      log.error('the socket cannot be made again', { error });
    }
  };
  const timer = setInterval(() => {
    if (isLost || working) return;
    working = look().finally(() => {
      working = undefined;
    });
  }, everyMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await working;
    },
  };
}
