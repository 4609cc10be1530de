import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Maximum number of notices that are remembered; a host has one or two. */
const MAX_NOTICES = 16;

/** The id of the current boot of the host. */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';

/**
 * Returns whether a notice about this host is shown for the first time since the host booted, and remembers
 * it in `file`, which may be deleted at any time. When `file` cannot be read or written, returns true:
 * showing a notice twice is better than never.
 */
export function isFirstSinceBoot(
  message: string,
  { file, bootIdFile = BOOT_ID_FILE }: { file: string; bootIdFile?: string },
): boolean {
  const bootId = textOf(bootIdFile).trim();
  if (bootId === '') return true;
  const [saved, ...lines] = textOf(file).split('\n');
  const shown = saved === bootId ? lines : [];
  // JSON keeps a message on one line, whatever it contains.
  const line = JSON.stringify(message);
  if (shown.includes(line)) return false;
  remember(file, [bootId, line, ...shown].slice(0, MAX_NOTICES));
  return true;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isSystemError(error)) return '';
    throw error;
  }
}

function remember(file: string, lines: readonly string[]): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, lines.join('\n'), { mode: 0o600 });
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
