import { isAbort } from '../../../base/errors.ts';
import type { Vms, WarmStarts } from '../world.ts';
import { endPoolVm, makePoolVm, type PoolVmWorld } from './make-pool-vm.ts';
import type { PoolKeeper, PoolRequest, PoolVm } from './pool-vm.ts';

/** When there is a pool VM. */
export interface PoolOptions {
  /** `ms` to wait after the last start before making it, because the user's own VM comes first */
  delayMs: number;
  /** `ms` to keep it after the last start */
  keepMs: number;
  /** whether this host has the memory for it */
  hasRoom: (memoryMib: number) => boolean;
}

type KeeperWorld = PoolVmWorld & Pick<Vms, 'log'> & Pick<WarmStarts, 'templates'>;

/** Keeps the pool VM in this process. */
export class Pool implements PoolKeeper {
  readonly #world: KeeperWorld;
  readonly #options: PoolOptions;
  #ready: PoolVm | undefined;
  /** one at a time; never rejects */
  #making: { stop: AbortController; ended: Promise<void> } | undefined;
  /** the latest request */
  #wanted: PoolRequest | undefined;
  #makeTimer: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(world: KeeperWorld, options: PoolOptions) {
    this.#world = world;
    this.#options = options;
  }

  get vmId(): string | undefined {
    return this.#ready?.vmId;
  }

  take(key: string): PoolVm | undefined {
    clearTimeout(this.#makeTimer);
    this.#making?.stop.abort();
    const vm = this.#ready;
    if (vm?.key !== key) return undefined;
    this.#ready = undefined;
    return vm;
  }

  want(request: PoolRequest): void {
    if (this.#isOver) return;
    this.#wanted = request;
    clearTimeout(this.#makeTimer);
    clearTimeout(this.#endTimer);
    this.#makeTimer = setTimeout(() => void this.#make(request), this.#options.delayMs).unref();
    this.#endTimer = setTimeout(() => void this.drop(), this.#options.keepMs).unref();
  }

  async drop(keys?: readonly string[]): Promise<void> {
    this.#making?.stop.abort();
    await this.#making?.ended;
    const vm = this.#ready;
    if (!vm || (keys && !keys.includes(vm.key))) return;
    this.#ready = undefined;
    await this.#end(vm);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#makeTimer);
    clearTimeout(this.#endTimer);
    await this.drop();
  }

  async #make(request: PoolRequest): Promise<void> {
    while (this.#making) await this.#making.ended;
    if (this.#isOver || this.#wanted !== request || this.#ready?.key === request.key) return;
    const stop = new AbortController();
    const ended = this.#replace(request, stop.signal);
    this.#making = { stop, ended };
    await ended;
    this.#making = undefined;
  }

  async #replace({ plan, key }: PoolRequest, signal: AbortSignal): Promise<void> {
    const { log, templates } = this.#world;
    const old = this.#ready;
    this.#ready = undefined;
    if (old) await this.#end(old);
    try {
      if (!this.#options.hasRoom(plan.shape.memoryMib)) return;
      using template = await templates.use(key, { onDamage: (message) => log.warn(message) });
      if (!template) return;
      const begun = performance.now();
      const vm = await makePoolVm(this.#world, { plan, key, template }, { signal });
      log.debug('a pool VM is ready', { vmId: vm.vmId, ms: Math.round(performance.now() - begun) });
      this.#keep(vm);
    } catch (error) {
      if (!isAbort(error)) log.warn('a pool VM could not be made', { key, error });
    }
  }

  /** Keeps it ready until its VMM or its link ends. */
  #keep(vm: PoolVm): void {
    this.#ready = vm;
    void Promise.race([vm.running.exited, vm.agent.closed]).then(async () => {
      if (this.#ready !== vm) return;
      this.#ready = undefined;
      await this.#end(vm);
    });
  }

  async #end(vm: PoolVm): Promise<void> {
    try {
      await endPoolVm(this.#world, vm);
    } catch (error) {
      this.#world.log.error('a pool VM could not be ended', { vmId: vm.vmId, error });
    }
  }
}
