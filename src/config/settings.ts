import { readFileSync } from 'node:fs';
import { cpus, totalmem, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { AppError, isErrno } from '../base/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../base/log.ts';
import { ACCELERATORS, type Accelerator, type VmShape } from '../protocol/vm.ts';
import type { VmmName } from '../protocol/vmm/names.ts';
import type { CatalogTable } from './catalogs.ts';
import { type ConfigFile, type ForwardTo, parseConfig } from './config-file.ts';
import { type DnsPlace, defaultDnsPlace, GATEWAY_PORT } from './dns-place.ts';
import { type FileSyncEntry, resolveFileSync } from './file-sync.ts';
import type { NetworkPolicies } from './network-policies.ts';
import { type Paths, pathsUnder, servicePaths } from './paths.ts';
import type { RegistryTable } from './registries.ts';
import { readSystemInstall } from './system-install.ts';
import { type HostSize, type VmDefaults, vmDefaults } from './vm-defaults.ts';

/** All settings, from the user, the environment and the host; read once when a program starts. */
export interface Settings {
  paths: Paths;
  vmDefaults: VmDefaults;
  /** user of new VMs; absent: root, or what the image says */
  defaultUser?: string;
  defaultImage: string;
  /** the VMM of new VMs; absent: the first that fits */
  defaultVmm?: VmmName;
  /** new VMs start from warm templates */
  isWarm: boolean;
  /** the daemon keeps pool VMs of the shapes that start */
  hasPool: boolean;
  /** most pool VMs at once */
  poolLimit: number;
  /** most that all warm templates together may take on disk, in `bytes` */
  templateBudgetBytes: number;
  /** each port on which something in a guest listens is forwarded; otherwise only explicit ones */
  hasAutoPorts: boolean;
  /** who may connect to forwarded ports */
  forwardTo: ForwardTo;
  /** files that are copied into every guest at each start; a later entry wins */
  fileSync: readonly FileSyncEntry[];
  /** the policies of the config file, by name */
  networkPolicies: NetworkPolicies;
  /** guests with NAT trust the certificate authorities that the administrator added to the host */
  hasHostAuthorities: boolean;
  /** guests with NAT get the proxies of the user's environment */
  hasProxies: boolean;
  /** how images are pulled */
  registries: RegistrySettings;
  /** lists of images that are offered; earlier ones win */
  catalogs: readonly CatalogTable[];
  logLevel: LogLevel;
  /** accelerator to use without a test; absent: KVM when a test has shown that it works */
  accelerator?: Accelerator;
  /** `ms` without use after which a VM that runs is stopped; absent: never */
  autoStopStaleAfterMs?: number;
  /** `ms` without use or traffic after which a VM that runs is suspended; absent: never */
  autoSuspendAfterMs?: number;
  /** where the DNS server for the names of VMs listens; absent: there is none */
  dns?: DnsPlace;
  /** port of the web gateway on 127.0.0.1; 0: any free one; absent: there is none */
  gatewayPort?: number;
  /** `ms` between two measurements of running VMs; absent: only a request measures them */
  statsPollMs?: number;
  host: HostSize;
}

/** How registries are reached. */
export interface RegistrySettings {
  /** base URL to ask instead, by the registry's name */
  mirrors: Readonly<Record<string, string>>;
  /** registries that need no TLS */
  insecure: readonly string[];
}

/** A process's environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** This process's environment. No other code reads it. */
export function processEnvironment(): Environment {
  return process.env;
}

/** True when the user asked for plain progress lines on a terminal too. */
export function isProgressPlain(env: Environment): boolean {
  return Boolean(env['BANGER_NO_PROGRESS']);
}

/** The folder for temporary files of this user's programs. @throws {AppError} CONFIG_PATH_INVALID */
export function temporaryDir(env: Environment): string {
  return xdgDir(env, 'TMPDIR') ?? '/tmp';
}

/** True when output must have no colour (no-color.org). */
export function isColorOff(env: Environment): boolean {
  return Boolean(env['NO_COLOR']) || env['TERM'] === 'dumb';
}

/**
 * Resolves paths from the XDG variables or their defaults, or those of the service of this host.
 *
 * @throws {AppError} CONFIG_PATH_INVALID when a variable is not an absolute path, or no home folder is known.
 */
export function resolvePaths(env: Environment): Paths {
  const home = homeDir(env);
  const uid = process.getuid?.() ?? 0;
  const systemHome = `/run/user/${uid}`;
  const sessionHome = xdgDir(env, 'XDG_RUNTIME_DIR') ?? systemHome;
  const own = pathsUnder({
    configHome: xdgDir(env, 'XDG_CONFIG_HOME') ?? join(home, '.config'),
    dataHome: xdgDir(env, 'XDG_DATA_HOME') ?? join(home, '.local', 'share'),
    stateHome: xdgDir(env, 'XDG_STATE_HOME') ?? join(home, '.local', 'state'),
    cacheHome: xdgDir(env, 'XDG_CACHE_HOME') ?? join(home, '.cache'),
    runtimeHomes: [...new Set([`/tmp/banger-runtime-${uid}`, sessionHome, systemHome])],
  });
  return isServed(env, uid) ? servicePaths(own) : own;
}

/**
 * True when a service of this host is the daemon of this user, or the user is root, who looks after it.
 * `BANGER_MODE=user` chooses the user's own daemon nevertheless.
 */
function isServed(env: Environment, uid: number): boolean {
  const mode = env['BANGER_MODE'] ?? '';
  if (mode === 'user') return false;
  const install = readSystemInstall();
  const isServed = install !== undefined && (uid === 0 || uid === install.uid);
  if (mode === '' || (mode === 'system' && isServed)) return isServed;
  const why =
    mode === 'system' ? 'no service of this host is for this user' : 'it is neither user nor system';
  throw new AppError('CONFIG_INVALID', `Cannot use BANGER_MODE "${mode}": ${why}`, {
    hint: 'unset BANGER_MODE',
    details: { field: 'BANGER_MODE' },
  });
}

/** The folder of the user's git files when git is not configured otherwise (git-config(1), FILES). */
export function gitConfigDir(env: Environment): string {
  return join(xdgDir(env, 'XDG_CONFIG_HOME') ?? join(homeDir(env), '.config'), 'git');
}

/** The variables of `env` that move banger's folders. */
export function movedPlaces(env: Environment): Record<string, string> {
  const names = ['XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME'];
  return Object.fromEntries(names.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
}

/** The user's own configuration of ssh(1). */
export function userSshConfig(env: Environment): string {
  return join(homeDir(env), '.ssh', 'config');
}

/** The user's home folder. @throws {AppError} CONFIG_PATH_INVALID when the system does not know the user. */
export function homeDir(env: Environment): string {
  if (env['HOME']) return env['HOME'];
  const home = homeInUserDatabase();
  if (home !== undefined) return home;
  throw new AppError('CONFIG_PATH_INVALID', 'Cannot tell where the home folder is: HOME is not set', {
    hint: 'set HOME',
    details: { field: 'HOME' },
  });
}

/** The home folder in which ssh(1) looks, whatever HOME says; `undefined` for a user unknown to the host. */
export function homeInUserDatabase(): string | undefined {
  try {
    return userInfo().homedir;
  } catch (error) {
    if (isErrno(error, 'ERR_SYSTEM_ERROR', 'ENOENT')) return undefined;
    throw error;
  }
}

/** Enough for dozens of shapes: a template with 2 GiB of memory takes 0.2 to 0.5 GiB on disk. */
const TEMPLATE_BUDGET_BYTES = 10 * 2 ** 30;

/** Enough for starts one after another; each takes about 50 MiB of memory and a folder. */
const POOL_LIMIT = 3;

/** Not more often, because each measurement takes time in an emulated guest. */
const STATS_POLL_MS = 10_000;

/**
 * Reads the config file, in which everything is optional, and the size of the host.
 *
 * @throws {AppError} CONFIG_INVALID naming each bad field; CONFIG_PATH_INVALID.
 */
export function loadSettings(env: Environment, host: HostSize = thisHost()): Settings {
  const paths = resolvePaths(env);
  const file = readConfig(paths.configFile);
  return {
    paths,
    vmDefaults: vmDefaults(configuredShape(file), host),
    ...(file.vm_defaults?.user === undefined ? {} : { defaultUser: file.vm_defaults.user }),
    defaultImage: file.default_image_name ?? 'debian-bookworm',
    ...(file.vm_defaults?.vmm === undefined ? {} : { defaultVmm: file.vm_defaults.vmm }),
    isWarm: file.warm ?? true,
    hasPool: file.standby ?? true,
    poolLimit: file.standby_max ?? POOL_LIMIT,
    templateBudgetBytes: file.template_disk_budget ?? TEMPLATE_BUDGET_BYTES,
    hasAutoPorts: file.auto_ports ?? true,
    forwardTo: file.forward_to ?? 'user',
    fileSync: resolveFileSync(file.file_sync ?? [], homeDir(env)),
    networkPolicies: file.network?.policies ?? new Map(),
    hasHostAuthorities: file.guest?.host_ca ?? false,
    hasProxies: file.guest?.proxy ?? false,
    registries: {
      mirrors: Object.fromEntries((file.registry ?? []).flatMap(mirrorOf)),
      insecure: (file.registry ?? []).flatMap(({ host, insecure }) => (insecure ? [host] : [])),
    },
    catalogs: file.catalog ?? [],
    logLevel: logLevel(env['BANGER_LOG_LEVEL'], file.log_level),
    ...acceleratorOf(env['BANGER_ACCELERATOR'], file.accelerator),
    ...(file.auto_stop_stale_after ? { autoStopStaleAfterMs: file.auto_stop_stale_after } : {}),
    ...(file.auto_suspend_after ? { autoSuspendAfterMs: file.auto_suspend_after } : {}),
    ...dnsOf(file),
    ...(file.gateway === false ? {} : { gatewayPort: file.gateway_port ?? GATEWAY_PORT }),
    ...(file.stats_poll_interval === 0 ? {} : { statsPollMs: file.stats_poll_interval ?? STATS_POLL_MS }),
    host,
  };
}

/** CPUs and memory of this host. */
function thisHost(): HostSize {
  return { cpuCount: cpus().length, memoryMib: Math.floor(totalmem() / 2 ** 20) };
}

function xdgDir(env: Environment, name: string): string | undefined {
  const value = env[name];
  if (!value) return undefined;
  if (!isAbsolute(value)) {
    throw new AppError('CONFIG_PATH_INVALID', `Cannot use ${name} "${value}": it is not an absolute path`, {
      hint: `unset ${name}, or set it to an absolute path`,
      details: { field: name },
    });
  }
  return value;
}

function mirrorOf({ host, mirror }: RegistryTable): [string, string][] {
  return mirror === undefined ? [] : [[host, mirror]];
}

function readConfig(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return {};
    throw new AppError('CONFIG_INVALID', `Cannot read the config file "${path}"`, { cause: error });
  }
  return parseConfig(text, path);
}

function configuredShape(file: ConfigFile): Partial<VmShape> {
  const given = file.vm_defaults;
  return {
    ...(given?.vcpu === undefined ? {} : { vcpuCount: given.vcpu }),
    ...(given?.memory_mib === undefined ? {} : { memoryMib: given.memory_mib }),
    ...(given?.disk_size === undefined ? {} : { diskSizeBytes: given.disk_size }),
    ...(given?.system_overlay_size === undefined
      ? {}
      : { systemOverlaySizeBytes: given.system_overlay_size }),
  };
}

function dnsOf(file: ConfigFile): Pick<Settings, 'dns'> {
  if (file.dns === false) return {};
  const usual = defaultDnsPlace(process.getuid?.() ?? 0);
  return { dns: { address: file.dns_address ?? usual.address, port: file.dns_port ?? usual.port } };
}

function logLevel(fromEnv: string | undefined, fromFile: LogLevel | undefined): LogLevel {
  if (!fromEnv) return fromFile ?? 'info';
  const level = LOG_LEVELS.find((l) => l === fromEnv);
  if (level) return level;
  throw new AppError('CONFIG_INVALID', `Cannot use BANGER_LOG_LEVEL "${fromEnv}": it is not a log level`, {
    hint: `use one of ${LOG_LEVELS.join(', ')}`,
    details: { field: 'BANGER_LOG_LEVEL' },
  });
}

function acceleratorOf(
  fromEnv: string | undefined,
  fromFile: Accelerator | undefined,
): Pick<Settings, 'accelerator'> {
  if (!fromEnv) return fromFile ? { accelerator: fromFile } : {};
  const accelerator = ACCELERATORS.find((each) => each === fromEnv);
  if (accelerator) return { accelerator };
  throw new AppError(
    'CONFIG_INVALID',
    `Cannot use BANGER_ACCELERATOR "${fromEnv}": it is not an accelerator`,
    {
      hint: `use one of ${ACCELERATORS.join(', ')}, or unset it`,
      details: { field: 'BANGER_ACCELERATOR' },
    },
  );
}
