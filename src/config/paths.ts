import { join } from 'node:path';
import { SYSTEM } from './system-install.ts';

/** Paths on this host. No other file names anything on disk. */
export interface Paths {
  configFile: string;
  /** what `~/.ssh/config` includes, so that ssh(1) reaches VMs by their names */
  sshConfigFile: string;
  /** images, kernels and the user's key; several daemons of one user may share it */
  dataDir: string;
  imagesDir: string;
  kernelsDir: string;
  /** private key with which the user logs in to guests; the public key has the suffix `.pub` */
  sshKeyFile: string;
  /** records, VMs, logs */
  stateDir: string;
  recordsFile: string;
  daemonLockFile: string;
  daemonLogFile: string;
  /** the ssh host keys of all VMs */
  knownHostsFile: string;
  /** which VMs have another user than root, for ssh(1) */
  loginUsersFile: string;
  /** secret from which the ssh host keys of the VMs are derived */
  secretFile: string;
  vmsDir: string;
  /** journals of what was pulled from VMs into working trees */
  pullsDir: string;
  /** the bases of the VMs' work disks, beside their folders because VMMs cannot write here */
  vmBasesDir: string;
  /** things that may be removed at any time */
  cacheDir: string;
  /** empty disks, and results of probes for accelerators */
  vmmCacheDir: string;
  /** notices about this host that the user has seen since it booted */
  hostNoticesFile: string;
  /** warm templates */
  templatesDir: string;
  /** work disks with a repository in them */
  workspaceBasesDir: string;
  /** temporary copies of repositories that are being sent to a guest */
  workspaceTempDir: string;
  /** bundles of catalogs, while an image is made of them */
  bundlesDir: string;
  /** pid and socket of the daemon that holds the lock */
  daemonPlaceFile: string;
  /**
   * sockets and pid files; in the state folder, so that they do not disappear when a login session ends
   */
  runtimeDir: string;
  daemonSocket: string;
  vmRuntimeDir: string;
  /** folders for sockets when the state folder cannot hold any; earlier versions used them always */
  runtimeHomes: readonly string[];
  /**
   * the daemon is a service of this host (`banger system install`): no command starts it, and it does not
   * exit when it is idle
   */
  isService: boolean;
}

/** The environment variables that move banger's folders. */
export const MOVED_BY = {
  dataDir: 'XDG_DATA_HOME',
  stateDir: 'XDG_STATE_HOME',
  cacheDir: 'XDG_CACHE_HOME',
} as const;

/** The folders that the XDG Base Directory specification gives a program, already resolved. */
export interface BaseDirs {
  configHome: string;
  dataHome: string;
  stateHome: string;
  cacheHome: string;
  /** for sockets, private to the user; the longest-lived comes first */
  runtimeHomes: readonly string[];
}

/** Returns every path under `dirs`; does not touch the disk. */
export function pathsUnder(dirs: BaseDirs): Paths {
  const dataDir = join(dirs.dataHome, 'banger');
  const stateDir = join(dirs.stateHome, 'banger');
  const cacheDir = join(dirs.cacheHome, 'banger');
  return {
    configFile: join(dirs.configHome, 'banger', 'config.toml'),
    sshConfigFile: join(dirs.configHome, 'banger', 'ssh_config'),
    dataDir,
    imagesDir: join(dataDir, 'images'),
    kernelsDir: join(dataDir, 'kernels'),
    sshKeyFile: join(dataDir, 'ssh', 'id_ed25519'),
    stateDir,
    recordsFile: join(stateDir, 'records.sqlite'),
    daemonLockFile: join(stateDir, 'bangerd.lock'),
    daemonLogFile: join(stateDir, 'bangerd.log'),
    knownHostsFile: join(stateDir, 'ssh', 'known_hosts'),
    loginUsersFile: join(stateDir, 'ssh', 'users'),
    secretFile: join(stateDir, 'secret'),
    vmsDir: join(stateDir, 'vms'),
    pullsDir: join(stateDir, 'pulls'),
    vmBasesDir: join(stateDir, 'vm-bases'),
    cacheDir,
    vmmCacheDir: join(cacheDir, 'vmm'),
    hostNoticesFile: join(cacheDir, 'host-notices'),
    templatesDir: join(cacheDir, 'templates'),
    workspaceBasesDir: join(cacheDir, 'workspace-bases'),
    workspaceTempDir: join(cacheDir, 'workspaces'),
    bundlesDir: join(cacheDir, 'bundles'),
    daemonPlaceFile: join(stateDir, 'bangerd.json'),
    runtimeHomes: dirs.runtimeHomes,
    isService: false,
    ...socketsIn(join(stateDir, 'run')),
  };
}

/**
 * Returns the paths of the daemon that is a service of this host. The user's own ssh configuration keeps its
 * place.
 */
export function servicePaths({ sshConfigFile }: Pick<Paths, 'sshConfigFile'>): Paths {
  const homes = { configHome: '/etc', dataHome: '/var/lib', stateHome: '/var/lib', cacheHome: '/var/cache' };
  const paths = pathsUnder({ ...homes, runtimeHomes: [] });
  return { ...paths, sshConfigFile, ...socketsIn(SYSTEM.runtimeDir), isService: true };
}

/** The paths of the sockets in `runtimeDir`. */
export function socketsIn(runtimeDir: string): Pick<Paths, 'runtimeDir' | 'daemonSocket' | 'vmRuntimeDir'> {
  return { runtimeDir, daemonSocket: join(runtimeDir, 'bangerd.sock'), vmRuntimeDir: join(runtimeDir, 'vm') };
}

/** Log of the installation of a repository's tools, below the home of the guest's user. */
export function guestToolingLog(repoName: string): string {
  return join('.cache', 'banger', `vm-run-tooling-${repoName.replace(/[^A-Za-z0-9._-]/g, '-')}.log`);
}
