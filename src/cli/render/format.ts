import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import type { VmShape } from '../../protocol/vm.ts';

/** Characters of an id in a table; `banger vm show` prints the whole id. */
const SHORT_ID_CHARS = 12;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `spec: 4 vcpu | 8192 MiB | 8G disk` */
export function specLine(shape: VmShape): string {
  return `spec: ${shapeLine(shape)}`;
}

/** `4 vcpu | 8192 MiB | 8G disk` */
export function shapeLine({ vcpuCount, memoryMib, diskSizeBytes }: VmShape): string {
  return `${vcpuCount} vcpu | ${memoryMib} MiB | ${formatSize(diskSizeBytes)} disk`;
}

/** `1.2s`, `2m05s` */
export function formatElapsed(elapsedMs: number): string {
  if (elapsedMs < MINUTE_MS) return `${(elapsedMs / 1000).toFixed(1)}s`;
  const seconds = Math.floor(elapsedMs / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}

/**
 * Returns how long ago a time was: `12 seconds ago`, `3 days ago`. Returns the text itself when it is not a
 * time.
 */
export function formatAge(time: string, nowMs: number): string {
  const ageMs = nowMs - Date.parse(time);
  if (Number.isNaN(ageMs)) return time;
  if (ageMs < MINUTE_MS) return ago(Math.max(0, ageMs) / 1000, 'second');
  if (ageMs < HOUR_MS) return ago(ageMs / MINUTE_MS, 'minute');
  if (ageMs < DAY_MS) return ago(ageMs / HOUR_MS, 'hour');
  return ago(ageMs / DAY_MS, 'day');
}

/** The part of an id that tables show. */
export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_CHARS);
}

function ago(amount: number, unit: string): string {
  return `${plural(Math.floor(amount), unit)} ago`;
}
