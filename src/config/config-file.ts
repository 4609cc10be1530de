import { isAbsolute } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { AppError, printable } from '../base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../base/log.ts';
import { parseDuration } from '../base/text/duration.ts';
import { parseSize } from '../base/text/size.ts';
import { checkUserName } from '../protocol/guest-user.ts';
import { ACCELERATORS, type Accelerator } from '../protocol/vm.ts';
import { VMM_NAMES, type VmmName } from '../protocol/vmm/names.ts';
import { type CatalogTable, readCatalogTables } from './catalogs.ts';
import { isLoopback } from './dns-place.ts';
import { type FileSyncTable, readFileSyncTables } from './file-sync.ts';
import { type NetworkPolicies, readNetworkPolicies } from './network-policies.ts';
import { type RegistryTable, readRegistryTables } from './registries.ts';

/** Who may connect to forwarded ports: programs of the daemon's user, or all of this host. */
const FORWARD_TO = ['user', 'all'] as const;
export type ForwardTo = (typeof FORWARD_TO)[number];

/** The config file's keys, checked; sizes in `bytes`, times in `ms`. All are optional. */
export interface ConfigFile {
  log_level?: LogLevel;
  accelerator?: Accelerator;
  firecracker_bin?: string;
  default_image_name?: string;
  auto_stop_stale_after?: number;
  auto_suspend_after?: number;
  stats_poll_interval?: number;
  warm?: boolean;
  standby?: boolean;
  standby_max?: number;
  template_disk_budget?: number;
  auto_ports?: boolean;
  forward_to?: ForwardTo;
  dns?: boolean;
  dns_address?: string;
  dns_port?: number;
  gateway?: boolean;
  gateway_port?: number;
  vm_defaults?: {
    vmm?: VmmName;
    vcpu?: number;
    memory_mib?: number;
    disk_size?: number;
    system_overlay_size?: number;
    user?: string;
  };
  guest?: { host_ca?: boolean; proxy?: boolean };
  file_sync?: readonly FileSyncTable[];
  registry?: readonly RegistryTable[];
  catalog?: readonly CatalogTable[];
  network?: { policies?: NetworkPolicies };
}

/** Reads one value, or returns what it must be. */
type Reader = (value: unknown, field: string) => unknown;

const KEYS: Readonly<Record<string, Reader>> = {
  log_level: oneOf(LOG_LEVELS),
  accelerator: oneOf(ACCELERATORS),
  firecracker_bin: absolutePath,
  default_image_name: text,
  auto_stop_stale_after: duration,
  auto_suspend_after: duration,
  stats_poll_interval: pollInterval,
  warm: flag,
  standby: flag,
  standby_max: poolLimit,
  template_disk_budget: size,
  auto_ports: flag,
  forward_to: oneOf(FORWARD_TO),
  dns: flag,
  dns_address: loopbackAddress,
  dns_port: portNumber,
  gateway: flag,
  gateway_port: portNumber,
  'vm_defaults.vmm': oneOf(VMM_NAMES),
  'vm_defaults.vcpu': wholeNumber,
  'vm_defaults.memory_mib': wholeNumber,
  'vm_defaults.disk_size': size,
  'vm_defaults.system_overlay_size': size,
  'vm_defaults.user': userName,
  'guest.host_ca': flag,
  'guest.proxy': flag,
  file_sync: readFileSyncTables,
  registry: readRegistryTables,
  catalog: readCatalogTables,
  'network.policies': readNetworkPolicies,
};

const NO_BRIDGE = 'VMs are on no bridge; --nat lets a guest reach other networks';
const NO_JAILER = 'banger-host confines VMMs';

/** Keys that one might expect, and why there are none. */
const ABSENT: Readonly<Record<string, string>> = {
  bridge_name: NO_BRIDGE,
  bridge_ip: NO_BRIDGE,
  cidr: NO_BRIDGE,
  tap_pool_size: NO_BRIDGE,
  default_dns: "guests ask their own network, which asks the host's resolvers",
  jailer_bin: NO_JAILER,
  jailer_enabled: NO_JAILER,
  jailer_chroot_base: NO_JAILER,
};

/**
 * Parses `config.toml` (TOML 1.0). One error reports every bad field.
 *
 * @throws {AppError} CONFIG_INVALID with the line of a syntax error, or one cause per bad field.
 */
export function parseConfig(source: string, path: string): ConfigFile {
  let table: Record<string, unknown>;
  try {
    table = parse(source);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new AppError(
      'CONFIG_INVALID',
      `Cannot read the config file "${path}": line ${error.line} is not TOML`,
      {
        hint: `correct line ${error.line}, column ${error.column}`,
        cause: error,
      },
    );
  }
  const problems: string[] = [];
  const result: Record<string, unknown> = {};
  readTable(table, { prefix: '', into: result, problems });
  if (problems.length > 0) {
    throw new AppError('CONFIG_INVALID', `Cannot use the config file "${path}": ${problems.join('; ')}`, {
      hint: `known keys are ${Object.keys(KEYS).join(', ')}`,
      details: { path, problems },
    });
  }
  return result;
}

interface ReadTarget {
  prefix: string;
  into: Record<string, unknown>;
  problems: string[];
}

function readTable(table: Record<string, unknown>, { prefix, into, problems }: ReadTarget): void {
  for (const [key, value] of Object.entries(table)) {
    const field = prefix + key;
    // A quoted key may contain a dot; it is not a key of a table then.
    const reader = !key.includes('.') && Object.hasOwn(KEYS, field) ? KEYS[field] : undefined;
    const isTable = Object.keys(KEYS).some((k) => k.startsWith(`${field}.`));
    if (reader) {
      try {
        into[key] = reader(value, field);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        problems.push(error.hint ? `${error.message} (${error.hint})` : error.message);
      }
    } else if (isTable && isPlainTable(value)) {
      const inner: Record<string, unknown> = {};
      into[key] = inner;
      readTable(value, { prefix: `${field}.`, into: inner, problems });
    } else {
      const why = !key.includes('.') && Object.hasOwn(ABSENT, field) ? ` (${ABSENT[field]})` : '';
      problems.push(
        isTable ? `"${field}" must be a table` : `"${printable(field)}" is not a known key${why}`,
      );
    }
  }
}

/** Dates are objects too, but not tables. */
function isPlainTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function oneOf<T extends string>(allowed: readonly T[]): Reader {
  return (value, field) => {
    const found = allowed.find((a) => a === value);
    if (found === undefined) throw wrong(field, `one of ${allowed.join(', ')}`);
    return found;
  };
}

function userName(value: unknown, field: string): string {
  return checkUserName(text(value, field), field);
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') throw wrong(field, 'a text that is not empty');
  return value;
}

function absolutePath(value: unknown, field: string): string {
  if (typeof value !== 'string' || !isAbsolute(value)) throw wrong(field, 'an absolute path');
  return value;
}

function flag(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw wrong(field, 'true or false');
  return value;
}

function wholeNumber(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0)
    throw wrong(field, 'a whole number above 0');
  return value;
}

/** Each pool VM is a whole VM: more would be a mistake. */
const MOST_POOL_VMS = 16;

function poolLimit(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MOST_POOL_VMS)
    throw wrong(field, `a whole number from 1 to ${MOST_POOL_VMS}`);
  return value;
}

/** 0 means any free port. */
function portNumber(value: unknown, field: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 65_535)
    throw wrong(field, 'a port from 1 to 65535, or 0 for any free one');
  return value;
}

function loopbackAddress(value: unknown, field: string): string {
  if (typeof value !== 'string' || !isLoopback(value))
    throw wrong(field, 'an IPv4 address that starts with 127');
  return value;
}

function size(value: unknown, field: string): number {
  if (typeof value !== 'string') throw wrong(field, 'a size such as "8G"');
  return parseSize(value, field);
}

/** A number without a unit is refused, because it does not say what it counts. */
function duration(value: unknown, field: string): number {
  if (typeof value !== 'string' || (/^[0-9.]+$/.test(value.trim()) && Number(value) !== 0)) {
    throw wrong(field, 'a time such as "90m" or "2h"');
  }
  return parseDuration(value, field);
}

/** With a shorter interval, an emulated guest would be busy answering measurements. */
const LEAST_POLL_MS = 1_000;

function pollInterval(value: unknown, field: string): number {
  const ms = duration(value, field);
  if (ms !== 0 && ms < LEAST_POLL_MS) throw wrong(field, '"0", which is never, or at least "1s"');
  return ms;
}

function wrong(field: string, allowed: string): AppError {
  return new AppError('CONFIG_INVALID', `"${field}" must be ${allowed}`);
}
