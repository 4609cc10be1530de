import { AppError, printable } from '../base/errors.ts';

/** An entry `[[registry]]` of the config file: how one registry of images is reached. */
export interface RegistryTable {
  /** the registry's name in references: `docker.io`, `localhost:5000` */
  host: string;
  /** base URL that is asked instead */
  mirror?: string;
  /** asked without TLS, or without checking its certificate; those of this host always are */
  insecure?: boolean;
}

const ENTRY_KEYS: readonly string[] = ['host', 'mirror', 'insecure'] satisfies (keyof RegistryTable)[];

/**
 * Checks the value of the key `registry`.
 *
 * @throws {AppError} CONFIG_INVALID with every problem, each naming its entry and field.
 */
export function readRegistryTables(value: unknown, field: string): RegistryTable[] {
  if (!Array.isArray(value)) throw new AppError('CONFIG_INVALID', `"${field}" must be [[${field}]] tables`);
  const problems = value.flatMap((entry: unknown, index) => problemsOf(entry, `${field}[${index}]`));
  if (problems.length > 0) throw new AppError('CONFIG_INVALID', problems.join('; '));
  return value as RegistryTable[];
}

function problemsOf(entry: unknown, name: string): string[] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry) || entry instanceof Date) {
    return [`"${name}" must be a table`];
  }
  const { host, mirror, insecure } = entry as Partial<Record<keyof RegistryTable, unknown>>;
  const unknown = Object.keys(entry).filter((key) => !ENTRY_KEYS.includes(key));
  return [
    ...unknown.map((key) => `"${name}.${printable(key)}" is not a known key`),
    ...(isHost(host)
      ? []
      : [`"${name}.host" must be the name of a registry, such as docker.io or localhost:5000`]),
    ...(mirror === undefined || isMirror(mirror)
      ? []
      : [`"${name}.mirror" must be an https:// or http:// URL without a user, "?" and "#"`]),
    ...(insecure === undefined || typeof insecure === 'boolean'
      ? []
      : [`"${name}.insecure" must be true or false`]),
  ];
}

function isHost(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/.test(value)
  );
}

function isMirror(value: unknown): boolean {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (!url || url.username || url.password || url.search || url.hash) return false;
  return url.protocol === 'https:' || url.protocol === 'http:';
}
