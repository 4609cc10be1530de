import type { Logger } from '../../base/log.ts';
import type { ApiSocket } from '../api-socket.ts';
import type { DaemonLock } from '../daemon-lock.ts';

/** What {@link watchPlaces} watches. */
export interface PlaceWatchOptions {
  lock: DaemonLock;
  socket: ApiSocket;
  /** writes down again which process is the daemon */
  announce: () => void;
  /** called once when the state folder has been removed or replaced */
  onLost: () => void;
  log: Logger;
  /** default: a second */
  everyMs?: number;
}

/** Costs four calls of lstat(2) each time. */
const EVERY_MS = 1_000;

/**
 * Keeps the daemon reachable: when its socket is deleted or replaced, the daemon listens there again within a
 * second. Disposing stops the watch and waits for work in progress.
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
      log.warn('the socket was deleted and has been created again');
      announce();
    } catch (error) {
      log.error('the socket cannot be created again', { error });
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
