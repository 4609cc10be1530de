import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Abortable, neverAborts, poll, sleep } from '../../../base/abort.ts';
import { AppError, isAppError, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { spawnDetached } from '../../../base/process/exec.ts';
import type { SecretValues } from '../../../core/ports/secret-values.ts';
import type {
  LearnedNetwork,
  NetworkCheck,
  NetworkPolicy,
  NetworkSpec,
  NetworkState,
} from '../../../core/ports/vmm/network.ts';
import type { VmmProcess } from '../../../core/ports/vmm/running-vm.ts';
import { isAlive, readVmmProcess } from '../vmm-process.ts';
import { addressesOf } from './addresses-of.ts';
import { askCheck, askLearned, askNetwork, type NetworkWatch, watchNetwork } from './network-control.ts';
import { endNetworks, findNetworks, networkArgv, networkFiles } from './network-files.ts';
import { sentSecrets } from './sent-secrets.ts';

/** How long a new network process may take until it answers. */
const START_DEADLINE_MS = 10_000;
const START_POLL_MS = 2;

/** Pauses before a network that has died is started again; the last one repeats. */
const RESTART_PAUSES_MS = [0, 100, 500, 2_000, 10_000] as const;

/** A network that lived this long did not die of its start. */
const HEALTHY_MS = 10_000;

/** What a VM's network needs. */
export interface UserNetworkOptions {
  vmId: string;
  /** folder of its sockets: that of its VMM */
  runtimeDir: string;
  /** the process's stdout and stderr, of its last start */
  logPath: string;
  /** folder of the log of decisions, made if it is missing */
  decisionsDir: string;
  /** the program `banger-host` */
  hostTools: string;
  env: NodeJS.ProcessEnv;
  /** an earlier daemon started the VMM, and maybe a network */
  isAdopted: boolean;
  log: Logger;
  secretValues: SecretValues;
  /** connects the VMM to the network's socket, in place of what it was connected to */
  connect: (linkSocket: string, options: Abortable) => Promise<void>;
  /** cuts the guest off from any network; idempotent */
  disconnect: (options: Abortable) => Promise<void>;
}

/**
 * The network of one VM whose VMM runs: a process that outlives the daemon. One that dies is started again
 * with the same settings, and the guest is cut off until then.
 */
export class UserNetwork {
  readonly #options: UserNetworkOptions;
  #wanted: NetworkSpec = { mode: 'none' };
  #process: VmmProcess | undefined;
  #watch: NetworkWatch | undefined;
  #isReleased = false;
  /** a process may run that this object does not know */
  #mayBeLeft: boolean;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UserNetworkOptions) {
    this.#options = options;
    this.#mayBeLeft = options.isAdopted;
  }

  /** The process, while there is one. */
  get process(): VmmProcess | undefined {
    return this.#process;
  }

  /**
   * Connects the guest as `spec` says; a network that runs already, also one of an earlier daemon, only gets
   * the new settings, and open connections stay. Idempotent.
   *
   * @throws {AppError} NETWORK_FAILED, VMM_LOST, VMM_REFUSED; the guest is cut off then.
   */
  async set(spec: NetworkSpec, { signal }: Abortable): Promise<void> {
    await this.#alone(async () => {
      this.#wanted = { mode: 'none' };
      try {
        if (spec.mode === 'none') await this.#cutOff();
        else await this.#run(spec, { signal });
        this.#wanted = spec;
      } catch (error) {
        await this.#cutOff().catch((failure: unknown) => this.#warn('could not be cut off', failure));
        throw error;
      }
    });
  }

  /** Runs `work` while the VMM is connected to no network, and connects it again if `work` fails. */
  async whileDisconnected<T>(work: () => Promise<T>, { signal }: Abortable): Promise<T> {
    return await this.#alone(async () => {
      const { connect, disconnect } = this.#options;
      await disconnect({ signal });
      try {
        return await work();
      } catch (error) {
        if (this.#wanted.mode === 'user') {
          // A network that has ended meanwhile is started again as soon as this returns.
          await unless(['VMM_LOST', 'NETWORK_FAILED'], () =>
            connect(this.#files.linkSocket, { signal: neverAborts() }),
          );
        }
        throw error;
      }
    });
  }

  /** What the process reports of itself. `undefined` when there is none. @throws {AppError} NETWORK_LOST */
  async state({ signal }: Abortable): Promise<NetworkState | undefined> {
    const process = this.#process;
    if (!process) return undefined;
    const answer = await askNetwork(this.#files.controlSocket, { do: 'state' }, { signal });
    const { isConnected, exposedPorts, counters, policy, secrets = [], authority } = answer;
    const knownSecrets = secrets.flatMap(({ placeholder, isKnown }) => (isKnown ? [placeholder] : []));
    return { pid: process.pid, isConnected, exposedPorts, counters, policy, knownSecrets, authority };
  }

  /** @throws {AppError} as `RunningVm.checkNetwork`. */
  async check(target: string, { signal }: Abortable): Promise<NetworkCheck | undefined> {
    if (!this.#process) return undefined;
    const addresses = await addressesOf(target);
    return await askCheck(this.#files.controlSocket, { target, addresses }, { signal });
  }

  /** @throws {AppError} as `RunningVm.learnedNetwork`. */
  async learned({ signal }: Abortable): Promise<LearnedNetwork | undefined> {
    const isLearning = this.#wanted.mode === 'user' && this.#wanted.policy?.mode === 'learn';
    if (!this.#process || !isLearning) return undefined;
    return await askLearned(this.#files.controlSocket, { signal });
  }

  /** Ends the process of a VM whose VMM has ended. Idempotent. */
  async end(): Promise<void> {
    this.release();
    await this.#alone(() => this.#endProcesses());
  }

  /** Stops watching; the process lives on. Idempotent. */
  release(): void {
    this.#isReleased = true;
    this.#unwatch();
  }

  get #files(): ReturnType<typeof networkFiles> {
    return networkFiles(this.#options.runtimeDir);
  }

  async #run(spec: NetworkSpec & { mode: 'user' }, { signal }: Abortable): Promise<void> {
    const { connect, runtimeDir } = this.#options;
    const found = this.#process ?? (this.#mayBeLeft ? await this.#found() : undefined);
    if (found && (await isAlive(found)) && (await this.#takeOver(found, spec, { signal }))) return;
    await this.#cutOff();
    const started = await this.#start(spec, { signal });
    this.#process = started;
    this.#mayBeLeft = false;
    await this.#giveSecrets(spec, { known: [], signal });
    await connect(networkFiles(runtimeDir).linkSocket, { signal });
    await this.#beginWatch({ signal });
  }

  /** Gives a network that runs the settings; false when it does not work as it should. */
  async #takeOver(
    found: VmmProcess,
    spec: NetworkSpec & { mode: 'user' },
    { signal }: Abortable,
  ): Promise<boolean> {
    const { exposedPorts, policy = OPEN } = spec;
    try {
      const request = { do: 'settings', settings: { exposedPorts, policy } } as const;
      const { isConnected, secrets } = await askNetwork(this.#files.controlSocket, request, { signal });
      // One that was started without secrets takes none.
      if (!isConnected || (spec.secrets && !secrets)) return false;
      const known = (secrets ?? []).flatMap(({ placeholder, isKnown }) => (isKnown ? [placeholder] : []));
      if (spec.secrets || secrets?.length) await this.#giveSecrets(spec, { known, signal });
      this.#process = found;
      this.#mayBeLeft = false;
      if (!this.#watch) await this.#beginWatch({ signal });
      return true;
    } catch (error) {
      if (!isAppError(error, 'NETWORK_LOST', 'WAIT_TIMEOUT')) throw error;
      return false;
    }
  }

  /** Gives the process the secrets, with the values that it does not know. */
  async #giveSecrets(
    { secrets: wanted }: NetworkSpec & { mode: 'user' },
    { known, signal }: Abortable & { known: readonly string[] },
  ): Promise<void> {
    const { secretValues, vmId, log } = this.#options;
    if (!wanted && known.length === 0) return;
    const secrets = await sentSecrets(wanted, { known, secretValues, vmId, log, signal });
    await askNetwork(this.#files.controlSocket, { do: 'secrets', secrets }, { signal });
  }

  async #found(): Promise<VmmProcess | undefined> {
    const [first, ...others] = await findNetworks(this.#options.runtimeDir);
    return others.length === 0 ? first : undefined;
  }

  async #start(spec: NetworkSpec & { mode: 'user' }, { signal }: Abortable): Promise<VmmProcess> {
    const { hostTools, env, logPath, runtimeDir, decisionsDir } = this.#options;
    await mkdir(decisionsDir, { recursive: true, mode: 0o700 });
    await writeFile(this.#files.policyFile, JSON.stringify(spec.policy ?? OPEN), { mode: 0o600 });
    await using log = await open(logPath, 'w', 0o600);
    const { exposedPorts } = spec;
    const hasSecrets = spec.secrets !== undefined;
    const argv = networkArgv(hostTools, { runtimeDir, decisionsDir, exposedPorts, hasSecrets });
    this.#mayBeLeft = true;
    const child = await spawned(argv, { outputFd: log.fd, env, cwd: runtimeDir });
    const process = await readVmmProcess(child.pid);
    let hasExited = process === undefined;
    void child.exited.then(() => {
      hasExited = true;
    });
    const attempt = async (): Promise<true | undefined> => {
      if (hasExited) throw networkFailed(`its process has ended: see "${logPath}"`);
      try {
        await askNetwork(this.#files.controlSocket, { do: 'state' }, { signal });
        return true;
      } catch (error) {
        if (!isAppError(error, 'NETWORK_LOST')) throw error;
        return undefined;
      }
    };
    const options = {
      everyMs: START_POLL_MS,
      deadlineMs: START_DEADLINE_MS,
      what: "the VM's network",
      signal,
    };
    await poll(attempt, options);
    if (!process) throw networkFailed('its process has ended');
    return process;
  }

  async #cutOff(): Promise<void> {
    this.#unwatch();
    await unless(['VMM_LOST'], () => this.#options.disconnect({ signal: neverAborts() }));
    await this.#endProcesses();
  }

  async #endProcesses(): Promise<void> {
    const { runtimeDir } = this.#options;
    if (this.#mayBeLeft) await endNetworks(runtimeDir);
    else if (this.#process) await endNetworks(runtimeDir, [this.#process]);
    this.#process = undefined;
    this.#mayBeLeft = false;
  }

  async #beginWatch({ signal }: Abortable): Promise<void> {
    if (this.#isReleased) return;
    const watch = await watchNetwork(this.#files.controlSocket, { signal });
    this.#watch = watch;
    const begunAt = performance.now();
    void watch.closed.then(() => {
      if (this.#watch === watch) void this.#restart(performance.now() - begunAt < HEALTHY_MS ? 1 : 0);
    });
  }

  #unwatch(): void {
    const watch = this.#watch;
    this.#watch = undefined;
    watch?.[Symbol.dispose]();
  }

  /** Starts a network that has died again, with the settings that it had. */
  async #restart(attempt: number): Promise<void> {
    const { vmId, log } = this.#options;
    log.warn("a VM's network has ended and is started again", { vmId, attempt });
    const last = RESTART_PAUSES_MS.length - 1;
    await sleep(RESTART_PAUSES_MS[Math.min(attempt, last)] ?? 0, { signal: neverAborts() });
    await this.#alone(async () => {
      const wanted = this.#wanted;
      if (this.#isReleased || wanted.mode === 'none') return;
      try {
        await this.#run(wanted, { signal: neverAborts() });
      } catch (error) {
        await this.#cutOff().catch((failure: unknown) => this.#warn('could not be cut off', failure));
        // The VMM has ended, and its network ends with it.
        if (isAppError(error, 'VMM_LOST')) return;
        this.#warn('could not be started again', error);
        void this.#restart(attempt + 1);
      }
    });
  }

  #warn(what: string, error: unknown): void {
    this.#options.log.warn(`a VM's network ${what}`, { vmId: this.#options.vmId, error: messageOf(error) });
  }

  /** One change at a time, in the order of the calls. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return await turn;
  }
}

async function spawned(...given: Parameters<typeof spawnDetached>): ReturnType<typeof spawnDetached> {
  try {
    return await spawnDetached(...given);
  } catch (error) {
    if (!isAppError(error, 'EXEC_NOT_FOUND', 'EXEC_FAILED')) throw error;
    throw networkFailed(error.message, error);
  }
}

const OPEN: NetworkPolicy = { mode: 'open', rules: [] };

/** The log of a network, beside the other logs of its VM. */
export function networkLogPath(consoleLogPath: string): string {
  return join(dirname(consoleLogPath), 'network.log');
}

/** The error of a guest that could not be connected. */
export function networkFailed(state: string, cause?: unknown): AppError {
  return new AppError('NETWORK_FAILED', `Cannot connect the guest to the network: ${state}`, {
    cause,
    hint: 'banger doctor says whether this host can run it',
  });
}

async function unless(codes: readonly string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isAppError(error, ...codes)) throw error;
  }
}
