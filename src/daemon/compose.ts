import { freemem } from 'node:os';
import { join } from 'node:path';
import { createGuestConnector } from '../adapters/guest/connector.ts';
import { AUTHORITY_FOLDERS } from '../adapters/host-user/authorities/read-authorities.ts';
import { FsHostUser } from '../adapters/host-user/fs-host-user.ts';
import { DebianKernelSource } from '../adapters/image/debian/kernel-source.ts';
import { findNamespaceProblem } from '../adapters/image/debian/namespaces.ts';
import { RecipeSource } from '../adapters/image/debian/recipe-source.ts';
import { debianBookworm } from '../adapters/image/debian/recipes/debian-bookworm.ts';
import { RECIPES } from '../adapters/image/debian/recipes.ts';
import { TreeRootfsBuilder } from '../adapters/image/debian/tree-rootfs.ts';
import { FsBuildFiles } from '../adapters/image/dockerfile/fs-build-files.ts';
import { FileSource } from '../adapters/image/file-source.ts';
import { ArchiveSource } from '../adapters/image/oci/archive-source.ts';
import { OciArtifactSource } from '../adapters/image/oci/artifact-source.ts';
import { OciOutlet } from '../adapters/image/oci/image-outlet.ts';
import { LayersRootfsBuilder } from '../adapters/image/oci/layers-rootfs.ts';
import { RegistrySource } from '../adapters/image/oci/registry-source.ts';
import { OciVmRootSource } from '../adapters/image/oci/vm-root-source.ts';
import { PACKAGE_SETS } from '../adapters/image/packages/package-sets.ts';
import { PackagesSource } from '../adapters/image/packages/packages-source.ts';
import { FsBlobStore } from '../adapters/image/store/blob-store.ts';
import { FsImageStore } from '../adapters/image/store/image-store.ts';
import { contentDir } from '../adapters/image/store/layout.ts';
import { FsKernelStore } from '../adapters/kernel/kernel-store.ts';
import { HelperPeerUsers } from '../adapters/loopback/peer-users.ts';
import { TCP_HOST } from '../adapters/loopback/tcp-host.ts';
import { tcpListeners } from '../adapters/loopback/tcp-listeners.ts';
import { UDP_CLAIMS } from '../adapters/loopback/udp-claims.ts';
import { HostPresets } from '../adapters/presets/host-presets.ts';
import { FsTemplateStore } from '../adapters/saved/template-store.ts';
import { FsVmSnapshots } from '../adapters/saved/vm-snapshots.ts';
import { SecretSources } from '../adapters/secrets/secret-sources.ts';
import { FsVmFiles } from '../adapters/store/fs-vm-files.ts';
import { checkRecords, copyRecords, restoreRecords } from '../adapters/store/offline-records.ts';
import { SqliteVmRecords } from '../adapters/store/sqlite-vm-records.ts';
import { capLog } from '../adapters/vmm/console-log.ts';
import { FirecrackerDriver } from '../adapters/vmm/firecracker/firecracker-driver.ts';
import { linuxHostFacts } from '../adapters/vmm/host-facts.ts';
import { QemuDriver, type QemuDriverOptions } from '../adapters/vmm/qemu/qemu-driver.ts';
import { FsWorkDiskBases } from '../adapters/workspace/base/base-store.ts';
import { createGitWorkspaceSource } from '../adapters/workspace/git-workspace-source.ts';
import { createGitWorkspacePulls } from '../adapters/workspace/pull/git-workspace-pulls.ts';
import { KeyedMutex, SharedWork } from '../base/async.ts';
import { LatestTasks } from '../base/latest-tasks.ts';
import type { Logger } from '../base/log.ts';
import { toolEnv, type Variables } from '../base/process/programs.ts';
import { type Environment, gitConfigDir, homeDir, type Settings } from '../config/settings.ts';
import type { GuestArch } from '../core/ports/images/guest-arch.ts';
import type { HostConnector, PeerUsers, PortListeners } from '../core/ports/loopback.ts';
import type { VmDriver } from '../core/ports/vmm/driver.ts';
import { KnownHosts } from '../core/vms/guest/known-hosts.ts';
import { StatsHistory } from '../core/vms/guest/stats-history.ts';
import { LiveVms } from '../core/vms/live-vms.ts';
import { GuestAddresses } from '../core/vms/network/guest-addresses.ts';
import { guestNetworks } from '../core/vms/network/guest-networks.ts';
import { ObservedRecords } from '../core/vms/network/observed-records.ts';
import { Pool, type PoolOptions } from '../core/vms/pool/pool.ts';
import { UnrecordedIds } from '../core/vms/unrecorded-ids.ts';
import { VmLocks } from '../core/vms/vm-locks.ts';
import type { Artifacts, BootStores, ImageOutlets, VmWorld } from '../core/vms/world.ts';
import { type BuildInfo, releaseOf } from '../protocol/build-info.ts';
import { ordinaryUser } from '../protocol/guest-user.ts';
import type { DoctorHost } from './doctor/check.ts';
import type { OfflineRecords } from './offline/offline-records.ts';

const BOOT_DEADLINE_MS = 180_000;

/**
 * A stop waits as long as the VMM writes, and kills only a guest that hangs: its agent is dead, or its disk
 * has done nothing for half a minute. A kill waits only for the agent of a healthy guest.
 */
const SYNC_LIMITS: VmWorld['syncLimits'] = {
  stop: {
    silent: { idleMs: 4_000, spinMs: 30_000, totalMs: 5 * 60_000 },
    syncing: { idleMs: 30_000, spinMs: 120_000, totalMs: 60 * 60_000 },
    everyMs: 500,
  },
  kill: {
    silent: { idleMs: 2_000, spinMs: 2_000, totalMs: 2_000 },
    syncing: { idleMs: 10_000, spinMs: 10_000, totalMs: 10_000 },
    everyMs: 500,
  },
};

/** A guest that uses less than 3 % of its processors' time is quiet. */
const GUEST_IS_QUIET = { share: 0.03, everyMs: 500, deadlineMs: 20_000 };

/**
 * Must leave as much memory as it may ever use itself. Here and elsewhere, free memory is libuv's:
 * `MemAvailable` of proc(5) /proc/meminfo.
 */
const POOL: Omit<PoolOptions, 'most' | 'mostAtOnce'> = {
  delayMs: 1_000,
  withinMs: { least: 500, most: 5_000 },
  forgetMs: 30_000,
  keepMs: 10 * 60_000,
  hasRoom: (memoryMib) => freemem() > 2 * memoryMib * 2 ** 20,
};

/** The parts of the daemon. */
export interface Composition extends Disposable {
  world: VmWorld;
  /** cuts a log that exceeds its size limit; returns the number of bytes cut */
  capLog: typeof capLog;
  /** path of the guest agent for guests of this host */
  agentPath: string;
  /** finds what keeps this user from building images in namespaces; the repair is the hint */
  namespaceProblem: DoctorHost['namespaceProblem'];
  /** path of the program `banger-host` */
  hostTools: string;
  /** the world's records */
  records: ObservedRecords;
  listeners: PortListeners;
  peers: PeerUsers;
  host: HostConnector;
}

/** What {@link compose} needs. */
export interface ComposeOptions {
  settings: Settings;
  env: Environment;
  uid: number;
  /** folder of the guest agents, `banger-agent-<arch>` */
  agentDir: string;
  /** the program `banger-receive` */
  receiver: QemuDriverOptions['receiver'];
  build: BuildInfo;
  /** folder of the host tools, `banger-host-<arch>` */
  hostToolsDir: string;
  log: Logger;
  /** replaces all VMMs */
  driver?: VmDriver;
}

/** What can be done with records without opening them as a daemon does. */
export const OFFLINE_RECORDS: OfflineRecords = {
  check: checkRecords,
  copy: copyRecords,
  restore: restoreRecords,
};

/** Constructs all adapters; no other function constructs any. */
export function compose({
  settings,
  env,
  uid,
  agentDir,
  receiver,
  build,
  hostToolsDir,
  log,
  driver,
}: ComposeOptions): Composition {
  const { paths } = settings;
  const facts = linuxHostFacts();
  const variables = { ...env };
  const stored = new SqliteVmRecords(paths.recordsFile, { version: releaseOf(build) });
  const records = new ObservedRecords(stored);
  const agentPath = (arch: GuestArch): string => join(agentDir, `banger-agent-${arch}`);
  const hostTools = join(hostToolsDir, `banger-host-${facts.arch}`);
  const { images, kernels, buildFiles, outlet, artifacts } = composeStores({
    settings,
    variables,
    arch: facts.arch,
    uid,
    agentPath,
    hostTools,
    log,
  });
  const connector = createGuestConnector();
  const { accelerator } = settings;
  const onHost = {
    facts,
    env: variables,
    hostTools,
    log,
    ...(accelerator === undefined ? {} : { accelerator }),
  };
  const files = new FsVmFiles(paths);
  const hostUser = new FsHostUser({
    secretFile: paths.secretFile,
    sshKeyFile: paths.sshKeyFile,
    fileSync: settings.fileSync,
    env: variables,
    outside: {
      authorityFolders: settings.hasHostAuthorities ? AUTHORITY_FOLDERS : [],
      hasProxies: settings.hasProxies,
    },
  });
  const secretValues = new SecretSources({ env: variables, secret: (purpose) => hostUser.secret(purpose) });
  const nameOf = (vmId: string): string | undefined => records.get(vmId)?.name;
  const userOf = (vmId: string): string | undefined => ordinaryUser(records.get(vmId)?.user);
  const world: VmWorld = {
    records,
    drivers: driver
      ? [driver]
      : [
          new QemuDriver({ ...onHost, cacheDir: paths.vmmCacheDir, receiver, secretValues }),
          new FirecrackerDriver({
            ...onHost,
            cacheDir: join(paths.vmmCacheDir, 'firecracker'),
            program: settings.firecrackerPath,
          }),
        ],
    images,
    kernels,
    outlet,
    artifacts,
    files,
    workspaces: createGitWorkspaceSource({
      tempDir: paths.workspaceTempDir,
      env: variables,
      userGitDir: gitConfigDir(env),
      log,
    }),
    pulls: createGitWorkspacePulls({
      tempDir: paths.workspaceTempDir,
      pullsDir: paths.pullsDir,
      env: variables,
      log,
    }),
    buildFiles,
    building: new KeyedMutex(),
    preparing: new KeyedMutex(),
    makingBases: new KeyedMutex(),
    live: new LiveVms(connector, { nameOf, userOf }),
    addresses: new GuestAddresses({ records, claims: UDP_CLAIMS, uid, log }),
    listening: new Map(),
    waking: new SharedWork(),
    unrecorded: new UnrecordedIds(),
    background: new LatestTasks(),
    connector,
    templates: new FsTemplateStore({ templatesDir: paths.templatesDir, log }),
    bases: new FsWorkDiskBases({ basesDir: paths.workspaceBasesDir, hostTools, log }),
    snapshots: new FsVmSnapshots({ ...paths, nameOf }),
    freeMemoryBytes: freemem,
    isWarm: settings.isWarm,
    templateBudgetBytes: settings.templateBudgetBytes,
    quiet: GUEST_IS_QUIET,
    syncLimits: SYNC_LIMITS,
    bootDeadlineMs: BOOT_DEADLINE_MS,
    hostUser,
    presets: new HostPresets({ env: toolEnv(variables), home: homeDir(env), aptDir: '/etc/apt' }),
    policies: settings.networkPolicies,
    secretValues,
    knownHosts: new KnownHosts({ records, hostUser, files }),
    stats: new StatsHistory(),
    locks: new VmLocks({ nameOf }),
    log,
    release: releaseOf(build),
    defaults: {
      vcpuCount: settings.vmDefaults.vcpuCount.value,
      memoryMib: settings.vmDefaults.memoryMib.value,
      diskSizeBytes: settings.vmDefaults.diskSizeBytes.value,
      systemOverlaySizeBytes: settings.vmDefaults.systemOverlaySizeBytes.value,
    },
    defaultImage: settings.defaultImage,
    ...(settings.defaultVmm === undefined ? {} : { defaultVmm: settings.defaultVmm }),
    host: settings.host,
  };
  const peers = new HelperPeerUsers({ hostTools, uid, log, guestPids: () => guestNetworks(world) });
  if (settings.hasPool) {
    // Half of the processors are left to the VMs that start.
    const mostAtOnce = Math.max(1, Math.floor(settings.host.cpuCount / 2));
    world.pool = new Pool(world, { ...POOL, most: settings.poolLimit, mostAtOnce });
  }
  return {
    world,
    capLog,
    agentPath: agentPath(facts.arch),
    namespaceProblem: (options) => findNamespaceProblem({ uid, env: toolEnv(variables) }, options),
    hostTools,
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
}

interface StoreParts {
  settings: Settings;
  variables: Variables;
  arch: GuestArch;
  uid: number;
  agentPath: (arch: GuestArch) => string;
  hostTools: string;
  log: Logger;
}

/** What VMs boot from. */
function composeStores({
  settings,
  variables: env,
  agentPath,
  ...host
}: StoreParts): BootStores & ImageOutlets & Artifacts & Pick<VmWorld, 'buildFiles'> {
  const { imagesDir, kernelsDir } = settings.paths;
  const { arch, uid, hostTools, log } = host;
  const blobs = new FsBlobStore({ dir: contentDir(imagesDir) });
  const builder = { arch, uid, env, hostTools, log };
  const oci = { hostTools, env: toolEnv(env), blobsDir: blobs.dir };
  const source = new DebianKernelSource({ ...builder, imagesDir, recipe: debianBookworm });
  const kernels = new FsKernelStore({ kernelsDir, source, agentPath, uid, env, log });
  const archive = new ArchiveSource(oci);
  const registry = { ...oci, env, settings: settings.registries };
  const images = new FsImageStore({
    imagesDir,
    kernels,
    blobs,
    sources: {
      recipe: new RecipeSource({ ...builder, recipes: RECIPES }),
      registry: new RegistrySource(registry),
      archive,
      commit: new OciVmRootSource(oci),
      file: new FileSource(),
      packages: new PackagesSource({ sets: PACKAGE_SETS, importer: archive, env }),
    },
    rootfs: { tree: new TreeRootfsBuilder({ uid, env }), layers: new LayersRootfsBuilder(oci) },
    arch,
    uid,
    env,
    log,
    recipes: RECIPES.map(({ name }) => name),
  });
  const buildFiles = new FsBuildFiles({ imagesDir, blobsDir: blobs.dir, env: toolEnv(env) });
  const outlet = new OciOutlet({ ...oci, settings: settings.registries, userEnv: env });
  return { images, kernels, buildFiles, outlet, artifacts: new OciArtifactSource(registry) };
}
