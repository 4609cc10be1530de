import { existsSync } from 'node:fs';
import { type Abortable, neverAborts, sleep, withDeadline } from '../base/abort.ts';
import { abortable } from '../base/async.ts';
import { AppError, isAppError, isErrno } from '../base/errors.ts';
import { ensureOwnDir, ensurePrivateDir } from '../base/files/private-dir.ts';
import type { Logger } from '../base/log.ts';
import type { Paths } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { GuestClocks } from '../core/vms/guest/guest-clocks.ts';
import { sampleAll } from '../core/vms/guest/vm-stats.ts';
import { PortForwards } from '../core/vms/network/port-forwards.ts';
import { CONNECTION_WAIT_MS, TakeOver } from '../core/vms/recovery/take-over.ts';
import type { VmWorld } from '../core/vms/world.ts';
import type { BuildInfo } from '../protocol/build-info.ts';
import { ApiSocket } from './api-socket.ts';
import type { App } from './app.ts';
import type { Composition } from './compose.ts';
import { DaemonLock } from './daemon-lock.ts';
import type { DoctorHost } from './doctor/check.ts';
import { meetHolder } from './earlier-daemon.ts';
import { probeFolders, requireUsable } from './file-systems.ts';
import { type ApiServer, createApiServer } from './http/server.ts';
import { openLocalServers } from './names/open-local-servers.ts';
import { NameResolution } from './names/resolution.ts';
import { Operations } from './operations.ts';
import { Packs } from './packs.ts';
import { ROUTES } from './routes.ts';
import { settleRuntimePlace } from './runtime-place.ts';
import { ActivityWatch } from './watch/activity-watch.ts';
import { HOST_CLOCK, type HostClock, watchHostClock } from './watch/host-clock.ts';
import { IdleMemory } from './watch/idle-memory.ts';
import { watchIdleVms } from './watch/idle-vms.ts';
import { watchKnownHosts } from './watch/known-hosts-watch.ts';
import { watchPlaces } from './watch/place-watch.ts';
import { watchTidiness } from './watch/tidy-watch.ts';
import { VmUse } from './watch/vm-use.ts';

/** `ms` that running requests get to end when the daemon is asked to stop; then they are aborted. */
const DRAIN_MS = 5_000;

/**
 * `ms` within which everything should end when the daemon is asked to stop: less than a command waits for the
 * next daemon, which cannot start before. That daemon finishes or undoes what has not ended.
 */
const STOP_DEADLINE_MS = 12_000;

/**
 * `ms` that a starting daemon spends on adopting VMs before it listens; VMs whose VMM hangs are adopted
 * later.
 */
const TAKE_OVER_PATIENCE_MS = 2_000;

/** `ms` without a request or a running VM after which the daemon exits. */
const IDLE_EXIT_MS = 10 * 60_000;

/** Size limit of a VM's log, in `bytes`, and how often it is checked, in `ms`. */
const VM_LOG_BYTES = 4 * 2 ** 20;
const VM_LOG_EVERY_MS = 2_000;

/** What {@link serve} needs. */
export interface ServeOptions extends Abortable {
  settings: Settings;
  build: BuildInfo;
  log: Logger;
  env: DoctorHost['env'];
  uid: number;
  /** called once the lock is held */
  compose: (paths: Paths) => Composition;
  /** default: 10 minutes */
  idleExitMs?: number;
  /**
   * `ms` of a monotonic clock, to measure how long VMs are unused, and how often they are checked; default:
   * the process's
   */
  idleClock?: { now: () => number; everyMs: number };
  /** default: this host's */
  hostClock?: HostClock;
  /** `ms` after a request to stop until the daemon gives up on what does not end; default: 12 s */
  stopDeadlineMs?: number;
  /** `ms` that it spends on adopting VMs before it listens; default: 2 s */
  takeOverPatienceMs?: number;
  /** called when it listens */
  onListening?: () => void;
}

/**
 * Is the daemon until `signal` aborts, a client stops it, or it has been idle for long enough; then drains.
 * VMs keep running. A state folder can have only one daemon: if there is another, returns `false` at once and
 * touches nothing.
 *
 * @throws {AppError} DIR_NOT_PRIVATE, STORE_DAMAGED, STORE_TOO_NEW.
 */
export async function serve(options: ServeOptions): Promise<boolean> {
  const { log } = options;
  const usual = options.settings.paths;
  for (const dir of [usual.stateDir, usual.vmsDir, usual.vmBasesDir]) await ensurePrivateDir(dir);
  for (const dir of [usual.dataDir, usual.cacheDir]) await ensureOwnDir(dir);
  await requireUsableFolders(usual, { log });
  using lock = DaemonLock.take(usual) ?? (await meetHolder(usual, { log, signal: options.signal }));
  if (!lock) return false;
  const paths = await settleRuntimePlace(usual, { log });
  const settings = { ...options.settings, paths };
  lock.announce(paths.daemonSocket);
  using composition = options.compose(paths);
  const { world } = composition;
  log.info('the daemon starts', { pid: process.pid, version: options.build.version });
  const hostClock = options.hostClock ?? HOST_CLOCK;
  const clocks = new GuestClocks(world, { now: hostClock.wallMs });
  world.live.listenForResume((vmId) => clocks.check(vmId));
  using _clockWatch = watchHostClock(hostClock, (stepMs) => {
    log.info("the host's clock was set, or the host slept", { stepMs });
    clocks.checkAll();
  });
  using _drift = clocks.correctDrift(hostClock.driftEveryMs);
  const leaving = new AbortController();
  await world.addresses.begin();
  await using _knownHosts = await watchKnownHosts({ ...composition, knownHosts: world.knownHosts, log });
  const takeOver = await TakeOver.begin(world, leaving);
  await endsWithin(options.takeOverPatienceMs ?? TAKE_OVER_PATIENCE_MS, () =>
    abortable(takeOver.done, options.signal).catch(() => {}),
  );

  const { now, everyMs } = options.idleClock ?? { now: () => performance.now() };
  const use = new VmUse(now);
  const forwards = new PortForwards({
    world,
    records: composition.records,
    listeners: composition.listeners,
    peers: composition.peers,
    host: composition.host,
    forwardTo: settings.forwardTo,
    isAutomatic: settings.hasAutoPorts,
    use: (vmId) => use.begin(vmId),
    ready: (vmId, { signal }) => takenOver(world, takeOver, { vmId, signal }),
  });
  const { promise: stopped, resolve: stop } = Promise.withResolvers<string>();
  const { build, env, uid } = options;
  await using idle = watchIdleVms({
    world,
    use,
    log,
    stopAfterMs: settings.autoStopStaleAfterMs,
    suspendAfterMs: settings.autoSuspendAfterMs,
    isMeasured: settings.statsPollMs !== undefined,
    now,
    everyMs,
  });
  await using tidiness = watchTidiness({ images: world.images, log });
  await using localServers = openLocalServers(settings, {
    world,
    use,
    takeOver,
    log,
    peers: composition.peers,
    records: composition.records,
  });
  using watch = new ActivityWatch({
    idleExitMs: options.idleExitMs ?? IDLE_EXIT_MS,
    // A suspended VM needs this program where it listens for connections that resume the VM; ssh starts it.
    isNeeded: () =>
      paths.isService ||
      world.live.ids().length > 0 ||
      takeOver.isUnderWay ||
      forwards.isNeeded ||
      (forwards.hasReachableVms && localServers.hasGateway),
    onIdle: () => stop('it was idle'),
  });
  const app: App = {
    world,
    paths,
    build,
    log,
    doctor: {
      world,
      settings,
      env,
      uid,
      build,
      agentPath: composition.agentPath,
      namespaceProblem: composition.namespaceProblem,
      hostTools: composition.hostTools,
      firstPort: composition.listeners.firstPort,
    },
    operations: new Operations(),
    takeOver,
    packs: new Packs(),
    forwards,
    use,
    localServers,
    resolution: new NameResolution(localServers),
    stop,
    activity: watch,
  };
  using memory = new IdleMemory({ activeCount: () => watch.activeCount });
  const api = createApiServer(app, ROUTES, () => {
    watch.touch();
    memory.touch();
  });
  await using socket = await ApiSocket.open(api.http, paths.daemonSocket);
  const announce = (): void => lock.announce(socket.path);
  announce();
  let isLost = false;
  const onLost = (): void => {
    isLost = true;
    stop('its state folder is gone');
  };
  await using watchingPlaces = watchPlaces({ lock, socket, announce, onLost, log });
  const caps = setInterval(() => capLogs(composition, log), VM_LOG_EVERY_MS);
  const stopSampling = new AbortController();
  const sampling = sampleForEver(world, { everyMs: settings.statsPollMs, signal: stopSampling.signal });
  try {
    options.onListening?.();
    const reason = await abortable(stopped, options.signal).catch(() => 'a signal');
    log.info('the daemon stops', { reason });
  } finally {
    clearInterval(caps);
    stopSampling.abort();
    const finish = async (): Promise<void> => {
      leaving.abort(stopping());
      forwards.end(stopping());
      // Its requests may last as long as their clients like.
      await localServers[Symbol.asyncDispose]();
      await drain(api);
      await app.packs[Symbol.asyncDispose]();
      await takeOver.done;
      await sampling;
      await idle[Symbol.asyncDispose]();
      await tidiness[Symbol.asyncDispose]();
      // Both write records, which are gone in that case.
      if (!isLost) await world.pool?.[Symbol.asyncDispose]();
      if (!isLost) await world.background.settled();
      await watchingPlaces[Symbol.asyncDispose]();
      await socket[Symbol.asyncDispose]();
      await lock.withdraw();
      if (isLost) await endRemoved(world);
      for (const vmId of world.live.ids()) await world.live.remove(vmId);
    };
    const deadlineMs = options.stopDeadlineMs ?? STOP_DEADLINE_MS;
    // Leaves what hangs as if the daemon had been killed; the next daemon repairs it. A daemon that never
    // ends would keep the next one from starting.
    if (!(await endsWithin(deadlineMs, finish))) {
      log.warn('the daemon leaves to the next one what has not ended', { deadlineMs });
    }
  }
  return true;
}

/** Waits for `work`, at most `deadlineMs`; returns whether it has ended. */
async function endsWithin(deadlineMs: number, work: () => Promise<void>): Promise<boolean> {
  const options = { signal: neverAborts(), deadlineMs, what: 'everything to end' };
  try {
    await withDeadline((signal) => abortable(work(), signal), options);
    return true;
  } catch (error) {
    if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
    return false;
  }
}

/** Measures running VMs at intervals until `signal` aborts. Never rejects. */
async function sampleForEver(
  world: VmWorld,
  { everyMs, signal }: Abortable & { everyMs: number | undefined },
): Promise<void> {
  try {
    while (everyMs !== undefined) {
      await sleep(everyMs, { signal });
      await sampleAll(world, { signal });
    }
  } catch (error) {
    if (!signal.aborted) world.log.error('VMs are no longer measured: this is a bug', { error });
  }
}

/** Keeps the logs of running VMs from filling the disk. */
function capLogs({ world, capLog }: Composition, log: Logger): void {
  for (const vmId of world.live.ids()) {
    const { consoleLogPath, vmmLogPath } = world.files.folders(vmId);
    for (const path of [consoleLogPath, vmmLogPath]) {
      try {
        capLog(path, { maxBytes: VM_LOG_BYTES });
      } catch (error) {
        log.warn('a log could not be cut', { vmId, path, error });
      }
    }
  }
}

/**
 * Ends VMs whose drives were deleted with the state folder. A VM whose folder was only moved keeps running,
 * for a daemon that finds it again.
 */
async function endRemoved({ live, files }: VmWorld): Promise<void> {
  for (const vmId of live.ids()) if (!existsSync(files.folders(vmId).dir)) await live.get(vmId)?.kill();
}

/** Waits until a VM is taken over from an earlier daemon. @throws {AppError} VM_BUSY */
async function takenOver(
  { records }: VmWorld,
  takeOver: TakeOver,
  { vmId, signal }: Abortable & { vmId: string },
): Promise<void> {
  const record = takeOver.isUnderWay ? records.get(vmId) : undefined;
  if (record) await takeOver.wait(record, { deadlineMs: CONNECTION_WAIT_MS, signal });
}

function stopping(): AppError {
  return new AppError('DAEMON_STOPPING', 'The daemon stops');
}

/** Ignores a full disk: writing reports that by itself, and existing VMs must stay usable. */
async function requireUsableFolders(paths: Paths, { log }: { log: Logger }): Promise<void> {
  try {
    requireUsable(await probeFolders(paths));
  } catch (error) {
    if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    log.warn('the file systems cannot be tested: a disk is full', { error });
  }
}

async function drain(api: ApiServer): Promise<void> {
  api.http.close();
  api.http.closeIdleConnections();
  await endsWithin(DRAIN_MS, () => api.idle());
  await api.abortAll(stopping());
  api.http.closeAllConnections();
}
