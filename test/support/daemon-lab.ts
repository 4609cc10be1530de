import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FsHostUser } from '../../src/adapters/host-user/fs-host-user.ts';
import { HelperPeerUsers } from '../../src/adapters/loopback/peer-users.ts';
import { TCP_HOST } from '../../src/adapters/loopback/tcp-host.ts';
import { tcpListeners } from '../../src/adapters/loopback/tcp-listeners.ts';
import { UDP_CLAIMS } from '../../src/adapters/loopback/udp-claims.ts';
import { FsTemplateStore } from '../../src/adapters/saved/template-store.ts';
import { FsVmSnapshots } from '../../src/adapters/saved/vm-snapshots.ts';
import { FsVmFiles } from '../../src/adapters/store/fs-vm-files.ts';
import { SqliteVmRecords } from '../../src/adapters/store/sqlite-vm-records.ts';
import { capLog } from '../../src/adapters/vmm/console-log.ts';
import { FsWorkDiskBases } from '../../src/adapters/workspace/base/base-store.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { abortable, KeyedMutex, SharedWork } from '../../src/base/async.ts';
import { LatestTasks } from '../../src/base/latest-tasks.ts';
import { createLogger, type Logger } from '../../src/base/log.ts';
import { loadSettings } from '../../src/config/load-settings.ts';
import { gitConfigDir, type Settings } from '../../src/config/settings.ts';
import type { VmRecord } from '../../src/core/ports/records.ts';
import type { VmDriver } from '../../src/core/ports/vmm/driver.ts';
import { KnownHosts } from '../../src/core/vms/guest/known-hosts.ts';
import { StatsHistory } from '../../src/core/vms/guest/stats-history.ts';
import { LiveVms } from '../../src/core/vms/live-vms.ts';
import { GuestAddresses } from '../../src/core/vms/network/guest-addresses.ts';
import { ObservedRecords } from '../../src/core/vms/network/observed-records.ts';
import { Pool, type PoolOptions } from '../../src/core/vms/pool/pool.ts';
import { UnrecordedIds } from '../../src/core/vms/unrecorded-ids.ts';
import { VmLocks } from '../../src/core/vms/vm-locks.ts';
import type { VmWorld } from '../../src/core/vms/world.ts';
import type { Composition } from '../../src/daemon/compose.ts';
import { type ServeOptions, serve } from '../../src/daemon/serve.ts';
import type { ExecStart } from '../../src/protocol/guest.ts';
import { type BangerClient, createClient } from '../../src/sdk/client.ts';
import { labWorkspaces } from '../helpers/lab-workspaces.ts';
import { FAKE_IMAGE, FAKE_IMAGE_ID, makeFakeStores } from './fakes/fake-images.ts';
import { agentGuest, createFakeVmDriver, type FakeVmDriverOptions } from './fakes/fake-vm-driver.ts';
import { fakeWorkDiskBases } from './fakes/fake-work-disk-bases.ts';
import { createHostGuestConnector, type HostGuests, noteNat } from './host-guest.ts';
import { agentProgram, BUILT_HOST_TOOLS } from './host-tools.ts';
import { testBuildFiles } from './images/build-files.ts';
import { LAB_SYNC_LIMITS } from './lab-sync-limits.ts';
import { NO_SECRETS } from './network/no-secrets.ts';
import { LAB_POOL } from './steps/lab-pool.ts';

/** A daemon whose files are all below one temporary folder. Its guests are agents that run on this host. */
export interface DaemonLab extends AsyncDisposable {
  dir: string;
  env: Record<string, string>;
  settings: Settings;
  client: BangerClient;
  driver: VmDriver;
  guests: HostGuests;
  /** the daemon's log lines */
  logged: Record<string, unknown>[];
  /** Starts the daemon in this process; disposing stops it. Returns when it listens. */
  start(options?: StartOptions): Promise<LabDaemon>;
  /** Reads or writes records while no daemon runs. */
  withRecords<T>(use: (records: SqliteVmRecords) => T): T;
  /** What is left of VMs: names of records and folders, and the number of processes. */
  leftovers(): Promise<{ records: string[]; folders: string[]; processes: number }>;
}

/** How a daemon of a lab differs from the usual one. */
export interface StartOptions {
  idleExitMs?: number;
  idleClock?: ServeOptions['idleClock'];
  hostClock?: ServeOptions['hostClock'];
  hasImage?: boolean;
  /** its guests can be saved, so VMs start from templates */
  canSave?: boolean;
  /** version of its VMM, which cannot restore guests that another version saved */
  vmmVersion?: string;
  /** it makes real base images of repositories, which its guests do not mount; default: fake ones */
  hasRealBases?: boolean;
  /** it keeps a pool VM, and makes a new one right after each start */
  hasStandby?: boolean;
  /** how its pool differs from one that never has more than one VM */
  pool?: Partial<PoolOptions>;
  /** it forwards the ports that `HostGuests.ports` names; otherwise none */
  hasAutoPorts?: boolean;
  /** its DNS server and web gateway; default: it has none */
  servers?: Pick<Settings, 'dns' | 'gatewayPort'> | 'configured';
  /** called with what it works on, for what its API does not offer */
  onWorld?: (world: VmWorld) => void;
  /** `ms`; default: a minute */
  bootDeadlineMs?: number;
  syncLimits?: VmWorld['syncLimits'];
  /** `ms`; default: a minute, so that it has adopted all VMs before it listens */
  takeOverPatienceMs?: number;
  stopDeadlineMs?: number;
  background?: LatestTasks;
}

/** A daemon that runs in this process. */
export interface LabDaemon extends AsyncDisposable {
  /** what `serve` returned */
  ended: Promise<boolean>;
  /** Asks it to stop, as SIGTERM does. */
  abort(): void;
}

/** The version that the daemons of labs report. */
export const LAB_BUILD = { version: '1.2.3', commit: 'c0ffee', builtAt: '2026-01-01' } as const;

const UID = process.getuid?.() ?? 0;
const HOST = { cpuCount: 4, memoryMib: 8192 };

/** The folder of certificates that a lab's host trusts. */
export function labAuthorities(dir: string): string {
  return join(dir, 'authorities');
}

/** Makes a lab. Nothing runs yet. */
export async function openDaemonLab(): Promise<DaemonLab> {
  const dir = await mkdtemp(join(tmpdir(), 'daemon-'));
  const env = labEnv(dir);
  const settings = loadSettings(env, HOST);
  const { paths } = settings;
  const driver = labDriver({});
  const guests: HostGuests = { personalised: [], syncCount: 0, natCalls: [] };
  const logged: Record<string, unknown>[] = [];
  const log = createLogger((line) => logged.push(JSON.parse(line) as Record<string, unknown>), {
    level: 'debug',
  });
  const daemons = new Set<LabDaemon>();
  const lab: DaemonLab = {
    dir,
    env,
    settings,
    client: createClient({ socketPath: paths.daemonSocket }),
    driver,
    guests,
    logged,
    async start(options = {}) {
      const daemon = await startDaemon(dir, { ...options, guests, log });
      daemons.add(daemon);
      return daemon;
    },
    withRecords(use) {
      using records = new SqliteVmRecords(paths.recordsFile);
      return use(records);
    },
    async leftovers() {
      const parents = [paths.vmsDir, paths.vmBasesDir, paths.vmRuntimeDir];
      const ids = [...new Set((await Promise.all(parents.map(namesIn))).flat())];
      const running = await Promise.all(ids.map((id) => adopted(driver, join(paths.vmRuntimeDir, id))));
      return {
        records: lab.withRecords((records) => records.list().map(({ name }) => name)),
        folders: ids,
        processes: running.filter(Boolean).length,
      };
    },
    async [Symbol.asyncDispose]() {
      for (const daemon of daemons) await daemon[Symbol.asyncDispose]();
      for (const vmId of await namesIn(paths.vmRuntimeDir)) {
        await driver.killStray({ vmId, ...new FsVmFiles(paths).folders(vmId) });
      }
      await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    },
  };
  return lab;
}

/** Runs the daemon of the lab at `dir` until it ends: for a child process that a test kills. */
export async function serveLab(
  dir: string,
  {
    log = createLogger((line) => process.stderr.write(line), { level: 'info' }),
    onListening = () => {},
    ...options
  }: StartOptions & { log?: Logger; onListening?: () => void } = {},
): Promise<void> {
  const guests: HostGuests = { personalised: [], syncCount: 0, natCalls: [] };
  const daemon = await startDaemon(dir, { ...options, guests, log });
  process.stdout.write('listening\n');
  onListening();
  await daemon.ended;
}

/** A command for a guest on this host, to be run as the user who runs the tests. */
export function shell(script: string): ExecStart {
  return { argv: ['sh', '-c', script], user: String(process.geteuid?.()), cwd: '/' };
}

/** A record as an earlier daemon may have left it. */
export function labRecord(fields: Partial<VmRecord> & Pick<VmRecord, 'id' | 'state'>): VmRecord {
  return {
    name: `vm-${fields.id}`,
    imageName: FAKE_IMAGE,
    imageId: FAKE_IMAGE_ID,
    kernelName: 'fake-kernel',
    shape: { vcpuCount: 1, memoryMib: 128, diskSizeBytes: 2 ** 26, systemOverlaySizeBytes: 2 ** 26 },
    network: { mode: 'none' },
    ephemeral: false,
    driverName: 'fake',
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...fields,
  };
}

async function startDaemon(
  dir: string,
  {
    idleExitMs,
    idleClock,
    hostClock,
    hasImage = true,
    canSave = false,
    vmmVersion = 'fake 1',
    hasRealBases = false,
    hasStandby = false,
    pool = {},
    hasAutoPorts = false,
    servers = {},
    onWorld = () => {},
    bootDeadlineMs = 60_000,
    syncLimits = LAB_SYNC_LIMITS,
    takeOverPatienceMs = 60_000,
    stopDeadlineMs = 60_000,
    background = new LatestTasks(),
    guests,
    log,
  }: StartOptions & { guests: HostGuests; log: Logger },
): Promise<LabDaemon> {
  const env = labEnv(dir);
  const { dns, gatewayPort, ...configured } = loadSettings(env, HOST);
  const places = servers === 'configured' ? { dns, gatewayPort } : servers;
  const settings = { ...configured, ...present(places), hasAutoPorts };
  const stores = await makeFakeStores(join(dir, 'store'), {
    isBuilt: hasImage,
    hasHome: hasRealBases,
  });
  const compose = (): Composition => {
    const stored = new SqliteVmRecords(settings.paths.recordsFile);
    const records = new ObservedRecords(stored);
    const tempDir = settings.paths.workspaceTempDir;
    const userGitDir = gitConfigDir(env);
    const connector = createHostGuestConnector(guests);
    const nameOf = (vmId: string): string | undefined => records.get(vmId)?.name;
    const files = new FsVmFiles(settings.paths);
    const hostUser = new FsHostUser({
      secretFile: settings.paths.secretFile,
      sshKeyFile: settings.paths.sshKeyFile,
      fileSync: settings.fileSync,
      env,
      outside: {
        // This host's own must not change what tests see.
        authorityFolders: settings.hasHostAuthorities ? [{ path: labAuthorities(dir) }] : [],
        hasProxies: settings.hasProxies,
      },
    });
    const world: VmWorld = {
      records,
      ...{ presets: { rulesOf: async (name) => [`${name}.test:443`] }, policies: settings.networkPolicies },
      secretValues: NO_SECRETS,
      drivers: [
        labDriver({
          canSave,
          vmmVersion,
          restoreError: () => guests.restoreError,
          onSetNetwork: (network) => noteNat(guests, network),
          ...(guests.resumes && { resumes: guests.resumes }),
          howItEnded: () => guests.endedBy,
          playActivity: () => guests.activity?.(),
          beforeCopy: async ({ signal }) => {
            if (guests.copyGate) await abortable(guests.copyGate, signal);
          },
        }),
      ],
      ...stores,
      files,
      buildFiles: testBuildFiles(dir, env),
      building: new KeyedMutex(),
      preparing: new KeyedMutex(),
      makingBases: new KeyedMutex(),
      ...labWorkspaces({ tempDir, pullsDir: settings.paths.pullsDir, env, userGitDir, log }),
      live: new LiveVms(connector, { nameOf }),
      addresses: new GuestAddresses({ records, claims: UDP_CLAIMS, uid: UID, log }),
      listening: new Map(),
      waking: new SharedWork(),
      unrecorded: new UnrecordedIds(),
      background,
      connector,
      templates: new FsTemplateStore({ templatesDir: settings.paths.templatesDir, log }),
      bases: hasRealBases
        ? new FsWorkDiskBases({
            basesDir: settings.paths.workspaceBasesDir,
            hostTools: BUILT_HOST_TOOLS,
            log,
          })
        : fakeWorkDiskBases(settings.paths.workspaceBasesDir),
      snapshots: new FsVmSnapshots({ ...settings.paths, nameOf }),
      freeMemoryBytes: () => guests.freeMemoryBytes ?? 2 ** 40,
      isWarm: true,
      // The real load of this host would make the results depend on it.
      quiet: { share: 2, everyMs: 1, deadlineMs: 10_000 },
      syncLimits,
      bootDeadlineMs,
      templateBudgetBytes: 2 ** 40,
      hostUser,
      knownHosts: new KnownHosts({ records, hostUser, files }),
      stats: new StatsHistory(),
      locks: new VmLocks({ nameOf: (vmId) => records.get(vmId)?.name }),
      log,
      release: LAB_BUILD.version,
      defaults: { vcpuCount: 1, memoryMib: 128, diskSizeBytes: 2 ** 26, systemOverlaySizeBytes: 2 ** 26 },
      defaultImage: FAKE_IMAGE,
      host: HOST,
    };
    const guestPids = (): number[] => guests.vmmPids ?? [];
    const peers = new HelperPeerUsers({ hostTools: BUILT_HOST_TOOLS, uid: UID, log, guestPids });
    if (hasStandby) world.pool = new Pool(world, { ...LAB_POOL, ...pool });
    onWorld(world);
    return {
      world,
      capLog,
      agentPath: agentProgram(),
      namespaceProblem: async () => undefined,
      hostTools: BUILT_HOST_TOOLS,
      records,
      listeners: tcpListeners(),
      host: TCP_HOST,
      peers,
      [Symbol.dispose]: () => {
        world.addresses[Symbol.dispose]();
        peers[Symbol.dispose]();
        stored[Symbol.dispose]();
      },
    };
  };
  const stop = new AbortController();
  const { promise: listening, resolve: onListening } = Promise.withResolvers<void>();
  const ended = serve({
    settings,
    build: LAB_BUILD,
    log,
    env,
    uid: UID,
    signal: stop.signal,
    compose,
    onListening,
    stopDeadlineMs,
    takeOverPatienceMs,
    ...(idleExitMs === undefined ? {} : { idleExitMs }),
    ...(idleClock === undefined ? {} : { idleClock }),
    ...(hostClock === undefined ? {} : { hostClock }),
  });
  await Promise.race([listening, ended]);
  return {
    ended,
    abort: () => stop.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

type Places = { [K in 'dns' | 'gatewayPort']?: Settings[K] | undefined };

/** `places` without what is absent. */
function present({ dns, gatewayPort }: Places): Pick<Settings, 'dns' | 'gatewayPort'> {
  return { ...(dns ? { dns } : {}), ...(gatewayPort === undefined ? {} : { gatewayPort }) };
}

/** The environment of a lab's daemon: all of its folders are below `dir`. */
export function labEnv(dir: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: dir,
    XDG_RUNTIME_DIR: join(dir, 'run'),
    GIT_CONFIG_NOSYSTEM: '1',
  };
}

function labDriver(options: Omit<FakeVmDriverOptions, 'guestArgv'>): VmDriver {
  return createFakeVmDriver({ ...agentGuest(agentProgram()), ...options });
}

async function adopted(driver: VmDriver, runtimeDir: string): Promise<boolean> {
  const running = await driver.adopt({ vmId: '', runtimeDir, consoleLogPath: '' }, { signal: neverAborts() });
  running?.detach();
  return running !== undefined;
}

async function namesIn(dir: string): Promise<string[]> {
  return existsSync(dir) ? await readdir(dir) : [];
}
