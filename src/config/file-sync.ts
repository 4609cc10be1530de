import { isAbsolute, join, posix } from 'node:path';
import { AppError, printable } from '../base/errors.ts';

/**
 * One entry `[[file_sync]]` of the config file: a file or folder of the host that is copied into every guest
 * at each start.
 */
export interface FileSyncEntry {
  /** absolute */
  hostPath: string;
  /** absolute and clean */
  guestPath: string;
  /** permission bits of a file; without them `0o600`. Folders keep those of the host */
  mode?: number;
}

/** An entry as the user wrote it. */
export interface FileSyncTable {
  host: string;
  guest: string;
  mode?: string;
}

const ENTRY_KEYS: readonly string[] = ['host', 'guest', 'mode'] satisfies (keyof FileSyncTable)[];

/** The user's home in the guest. */
const GUEST_HOME = '/root';

/** Folders of the guest whose files are the kernel's, not on a disk. */
const KERNEL_FOLDERS = ['/dev', '/proc', '/sys'] as const;

/**
 * Checks the value of the key `file_sync`.
 *
 * @throws {AppError} CONFIG_INVALID with every problem, each naming its entry and field.
 */
export function readFileSyncTables(value: unknown, field: string): FileSyncTable[] {
  if (!Array.isArray(value)) throw new AppError('CONFIG_INVALID', `"${field}" must be [[${field}]] tables`);
  const problems = value.flatMap((entry: unknown, index) => problemsOf(entry, `${field}[${index}]`));
  if (problems.length > 0) throw new AppError('CONFIG_INVALID', problems.join('; '));
  return value as FileSyncTable[];
}

/** Resolves the entries for a user whose home folder on the host is `home`. */
export function resolveFileSync(tables: readonly FileSyncTable[], home: string): FileSyncEntry[] {
  return tables.map(({ host, guest, mode }) => ({
    hostPath: host.startsWith('~/') ? join(home, host.slice(2)) : join(host),
    guestPath: guestPathOf(guest),
    ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
  }));
}

function problemsOf(entry: unknown, name: string): string[] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry) || entry instanceof Date) {
    return [`"${name}" must be a table`];
  }
  const { host, guest, mode } = entry as Partial<Record<keyof FileSyncTable, unknown>>;
  const unknown = Object.keys(entry).filter((key) => !ENTRY_KEYS.includes(key));
  return [
    ...unknown.map((key) => `"${name}.${printable(key)}" is not a known key`),
    ...problemOfPath(host, `${name}.host`, {
      rule: 'a path below ~/ or an absolute one, without ".."',
      isRight: (path) => path.startsWith('~/') || isAbsolute(path),
    }),
    ...problemOfPath(guest, `${name}.guest`, {
      rule: `a path below ~/ or an absolute one, without "..", and not below ${KERNEL_FOLDERS.join(', ')}`,
      isRight: isFreeGuestPath,
    }),
    ...(mode === undefined || (typeof mode === 'string' && /^0?[0-7]{3}$/.test(mode))
      ? []
      : [`"${name}.mode" must be permission bits as a text, such as "0600"`]),
  ];
}

function problemOfPath(
  path: unknown,
  field: string,
  { rule, isRight }: { rule: string; isRight: (path: string) => boolean },
): string[] {
  const isPath =
    typeof path === 'string' && path !== '' && path === printable(path) && !path.split('/').includes('..');
  return isPath && isRight(path) ? [] : [`"${field}" must be ${rule}`];
}

/** Whether a file or folder of the user may be at this path of the guest: `/` and the home have to stay. */
function isFreeGuestPath(path: string): boolean {
  if (!path.startsWith('~/') && !isAbsolute(path)) return false;
  const full = guestPathOf(path);
  if (full === '' || full === GUEST_HOME) return false;
  return !KERNEL_FOLDERS.some((folder) => full === folder || full.startsWith(`${folder}/`));
}

function guestPathOf(path: string): string {
  const full = path.startsWith('~/') ? `${GUEST_HOME}/${path.slice(2)}` : path;
  return posix.normalize(full).replace(/\/$/, '');
}
