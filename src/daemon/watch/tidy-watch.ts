import { sleep } from '../../base/abort.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageStore } from '../../core/ports/images/image-store.ts';

/** What {@link watchTidiness} works on. */
export interface TidyOptions {
  images: Pick<ImageStore, 'prune'>;
  log: Logger;
  /** `ms` until the first time; default: a minute, so that it never delays what a user waits for */
  afterMs?: number;
  /** `ms` from one time to the next; default: a day */
  everyMs?: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** `ms` for which a download that was interrupted can be continued. */
export const KEEP_DOWNLOADS_MS = 7 * DAY_MS;

/**
 * Removes from the store of images what nothing needs, now and then. Young downloads stay, because a later
 * pull continues them. Failures are only logged. Disposing ends it.
 */
export function watchTidiness({
  images,
  log,
  afterMs = MINUTE_MS,
  everyMs = DAY_MS,
}: TidyOptions): AsyncDisposable {
  const stop = new AbortController();
  const { signal } = stop;
  const tidy = async (): Promise<void> => {
    try {
      const { freedBytes, ...counts } = await images.prune({ signal, keepBlobsForMs: KEEP_DOWNLOADS_MS });
      if (freedBytes > 0) log.info('what nothing needs was removed', { freedBytes, ...counts });
    } catch (error) {
      if (!signal.aborted) log.warn('what nothing needs could not be removed', { error });
    }
  };
  const run = async (): Promise<void> => {
    try {
      for (let waitMs = afterMs; ; waitMs = everyMs) {
        await sleep(waitMs, { signal });
        await tidy();
      }
    } catch (error) {
      if (!signal.aborted) log.error('the store is no longer tidied: this is a bug', { error });
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
