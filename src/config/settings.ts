import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { AppError, isErrno } from '../base/errors.ts';
import type { LogLevel } from '../base/log.ts';
import type { Accelerator } from '../protocol/vm.ts';
import type { VmmName } from '../protocol/vmm/names.ts';
import type { CatalogTable } from './catalogs.ts';
import type { ForwardTo } from './config-file.ts';
import type { DnsPlace } from './dns-place.ts';
import type { FileSyncEntry } from './file-sync.ts';
import type { NetworkPolicies } from './network-policies.ts';
import { type Paths, pathsUnder, servicePaths } from './paths.ts';
import { readSystemInstall } from './system-install.ts';
import type { HostSize, VmDefaults } from './vm-defaults.ts';

/*
 * Every command of the command line loads this file, so it imports little: what reads the config file is in
 * load-settings.ts.
 */

/** All settings, from the user, the environment and the host; read once when a program starts. */
export interface Settings {
  paths: Paths;
  vmDefaults: VmDefaults;
  /** user of new VMs; absent: root, or what the image says */
  defaultUser?: string;
  defaultImage: string;
  /** the VMM of new VMs; absent: the first that fits */
  defaultVmm?: VmmName;
  /** absent: the first `firecracker` on PATH */
  firecrackerPath?: string;
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
