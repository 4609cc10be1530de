import { join } from 'node:path';

/** Where things are on this host; every name on disk is made here and nowhere else. */
export interface Paths {
  configFile: string;
  /** images, kernels and the user's key; may be shared by several daemons of one user */
  dataDir: string;
  imagesDir: string;
  kernelsDir: string;
  /** key with which the user logs in to guests; its public half has `.pub` behind the name */
  sshKeyFile: string;
  /** records, VMs, logs */
  stateDir: string;
  recordsFile: string;
  daemonLockFile: string;
  daemonLogFile: string;
  /** what the ssh host keys of the VMs are derived from */
  secretFile: string;
  vmsDir: string;
  /** things that may be removed at any time */
  cacheDir: string;
  /** blank disks, findings about accelerators */
  vmmCacheDir: string;
  /** warm templates */
  templatesDir: string;
  /** half-made copies of repositories, on their way to a guest */
  workspaceTempDir: string;
  /** pid and socket of the daemon that holds the lock */
  daemonPlaceFile: string;
  /**
   * sockets and pid files; in the state folder, so that they last as long as what they are for, whatever
   * sessions come and go
   */
  runtimeDir: string;
  daemonSocket: string;
  vmRuntimeDir: string;
  /** folders for sockets where the state folder cannot hold any, and where earlier versions had theirs */
  runtimeHomes: readonly string[];
}

/** The variables that move folders of ours elsewhere. */
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
  /** for sockets, private to the user; the one that lasts longest comes first */
  runtimeHomes: readonly string[];
}

/** Names everything under `dirs`; touches nothing. */
export function pathsUnder(dirs: BaseDirs): Paths {
  const dataDir = join(dirs.dataHome, 'banger');
  const stateDir = join(dirs.stateHome, 'banger');
  const cacheDir = join(dirs.cacheHome, 'banger');
  return {
    configFile: join(dirs.configHome, 'banger', 'config.toml'),
    dataDir,
    imagesDir: join(dataDir, 'images'),
    kernelsDir: join(dataDir, 'kernels'),
    sshKeyFile: join(dataDir, 'ssh', 'id_ed25519'),
    stateDir,
    recordsFile: join(stateDir, 'records.sqlite'),
    daemonLockFile: join(stateDir, 'bangerd.lock'),
    daemonLogFile: join(stateDir, 'bangerd.log'),
    secretFile: join(stateDir, 'secret'),
    vmsDir: join(stateDir, 'vms'),
    cacheDir,
    vmmCacheDir: join(cacheDir, 'vmm'),
    templatesDir: join(cacheDir, 'templates'),
    workspaceTempDir: join(cacheDir, 'workspaces'),
    daemonPlaceFile: join(stateDir, 'bangerd.json'),
    runtimeHomes: dirs.runtimeHomes,
    ...socketsIn(join(stateDir, 'run')),
  };
}

/** The names of sockets in `runtimeDir`. */
export function socketsIn(runtimeDir: string): Pick<Paths, 'runtimeDir' | 'daemonSocket' | 'vmRuntimeDir'> {
  return { runtimeDir, daemonSocket: join(runtimeDir, 'bangerd.sock'), vmRuntimeDir: join(runtimeDir, 'vm') };
}

/** The file below the home of a guest's user that has what installing the tools of a repository said. */
export function guestToolingLog(repoName: string): string {
  return join('.cache', 'banger', `vm-run-tooling-${repoName.replace(/[^A-Za-z0-9._-]/g, '-')}.log`);
}
