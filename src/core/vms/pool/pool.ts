import { type Abortable, onAbort } from '../../../base/abort.ts';
import type { Vms, WarmStarts } from '../world.ts';
import { endPoolVm, makePoolVm, type PoolVmWorld } from './make-pool-vm.ts';
import { type DemandLimits, PoolDemand } from './pool-demand.ts';
import type { PoolKeeper, PoolRequest, PoolVm } from './pool-vm.ts';

/** When there are pool VMs, and how many. */
export interface PoolOptions extends DemandLimits {
  /** `ms` to wait after a single start before making one, because the user's own VM comes first */
  delayMs: number;
  /** most that are made at the same time while no start waits for them: each keeps one processor busy */
  mostAtOnce: number;
  /** whether this host has the memory for pool VMs of that size together */
  hasRoom: (memoryMib: number) => boolean;
  /** replaces this process's clock; `everyMs` is the longest time between two looks at it */
  clock?: { now: () => number; everyMs: number };
}

/** A pool VM that is being made. */
interface Making {
  readonly key: string;
  readonly memoryMib: number;
  readonly stop: AbortController;
  /** aborts when a start waits for it */
  readonly hurry: AbortController;
  /** never rejects; `undefined` when it failed or was cancelled */
  readonly made: Promise<PoolVm | undefined>;
}

/** `ms` for a start to succeed; one that fails asks for nothing, so that the pool looks again by itself. */
const START_MS = 10_000;

type KeeperWorld = PoolVmWorld & Pick<Vms, 'log'> & Pick<WarmStarts, 'templates'>;

/** Keeps the pool VMs in this process. */
export class Pool implements PoolKeeper {
  readonly #world: KeeperWorld;
  readonly #options: PoolOptions;
  readonly #demand: PoolDemand;
  /** the latest request of each template */
  readonly #requests = new Map<string, PoolRequest>();
  readonly #ready = new Set<PoolVm>();
  readonly #making = new Set<Making>();
  /** ends of pool VMs under way; they never reject */
  readonly #ending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  /** what is missing is made later, because the user's own VM comes first */
  #isDelayed = false;
  #isOver = false;

  constructor(world: KeeperWorld, options: PoolOptions) {
    this.#world = world;
    this.#options = options;
    this.#demand = new PoolDemand(options);
  }

  get vmIds(): readonly string[] {
    return [...this.#ready].map(({ vmId }) => vmId);
  }

  get most(): number {
    return this.#options.most;
  }

  async take(key: string, { signal }: Abortable): Promise<PoolVm | undefined> {
    const ready = [...this.#ready].find((vm) => vm.key === key);
    if (ready) this.#ready.delete(ready);
    const making = ready ? undefined : this.#free().find((one) => one.key === key);
    making?.hurry.abort();
    this.#noteStart(key);
    if (!making) return ready;
    using _stop = onAbort(signal, () => making.stop.abort(signal.reason));
    const vm = await making.made;
    if (!vm) signal.throwIfAborted();
    return vm;
  }

  reserve(isFit: (request: PoolRequest) => boolean): PoolVm | undefined {
    const found = [...this.#ready].find(({ key }) => {
      const request = this.#requests.get(key);
      return request !== undefined && isFit(request);
    });
    if (!found) return undefined;
    this.#ready.delete(found);
    this.#noteStart(found.key);
    return found;
  }

  giveBack(vm: PoolVm): boolean {
    if (this.#isOver) return false;
    this.#keep(vm);
    this.#settle();
    return true;
  }

  #noteStart(key: string): void {
    this.#demand.note(key, this.#now());
    this.#isDelayed = false;
    if (this.#isPressing(key)) this.#settle();
    else this.#settleIn(START_MS);
  }

  want(request: PoolRequest): void {
    if (this.#isOver) return;
    this.#requests.set(request.key, request);
    if (this.#isPressing(request.key)) this.#settle();
    else {
      this.#isDelayed = true;
      this.#settleIn(this.#options.delayMs);
    }
  }

  vmEnded(): void {
    if (this.#isDelayed) this.#settle();
  }

  async drop(keys?: readonly string[]): Promise<void> {
    const isMeant = ({ key }: { key: string }): boolean => !keys || keys.includes(key);
    for (const key of this.#requests.keys()) if (isMeant({ key })) this.#requests.delete(key);
    const making = [...this.#making].filter(isMeant);
    for (const { stop } of making) stop.abort();
    await Promise.all(making.map(({ made }) => made));
    for (const vm of [...this.#ready].filter(isMeant)) void this.#end(vm);
    await Promise.all(this.#ending);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.drop();
  }

  #now(): number {
    return this.#options.clock?.now() ?? performance.now();
  }

  /**
   * Whether the next start probably comes before this one is over, and finds nothing ready: then there is no
   * better time to prepare for it. Otherwise the user's own VM has the processors to itself first.
   */
  #isPressing(key: string): boolean {
    const isReady = [...this.#ready].some((vm) => vm.key === key);
    return !isReady && this.#demand.isQuick(key, this.#now());
  }

  /** Those that are being made and that no start waits for. */
  #free(): Making[] {
    return [...this.#making].filter(({ hurry }) => !hurry.signal.aborted);
  }

  /** Ends the pool VMs that are not wanted, and begins to make those that are missing. */
  #settle(): void {
    if (this.#isOver) return;
    this.#isDelayed = false;
    const now = this.#now();
    const wanted = this.#demand.wanted(now);
    for (const key of this.#requests.keys()) if (!wanted.has(key)) this.#requests.delete(key);
    for (const { key, stop } of this.#free()) if (!wanted.has(key)) stop.abort();
    for (const key of new Set([...this.#ready].map((vm) => vm.key))) {
      const ready = [...this.#ready].filter((vm) => vm.key === key);
      for (const vm of ready.slice(wanted.get(key) ?? 0)) void this.#end(vm);
    }
    for (const [key, count] of wanted) if (this.#fill(key, count) === 'later') break;
    clearTimeout(this.#timer);
    const changesInMs = this.#demand.changesInMs(now);
    if (changesInMs !== undefined) this.#settleIn(Math.ceil(changesInMs));
  }

  #settleIn(ms: number): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    const { clock } = this.#options;
    this.#timer = setTimeout(() => this.#settle(), Math.min(ms, clock?.everyMs ?? ms)).unref();
  }

  /** Begins to make the missing VMs of a template. `later`: what is free soon is for these. */
  #fill(key: string, count: number): 'done' | 'later' {
    const request = this.#requests.get(key);
    if (!request) return 'done';
    const { mostAtOnce, hasRoom } = this.#options;
    for (;;) {
      const all = [...this.#ready, ...this.#free()];
      const missing = count - all.filter((one) => one.key === key).length;
      if (missing <= 0) return 'done';
      if (this.#free().length >= mostAtOnce) return 'later';
      const { memoryMib } = request.plan.shape;
      if (!hasRoom(all.reduce((sum, one) => sum + one.memoryMib, memoryMib))) {
        return this.#makeRoomFor(key) ? 'later' : 'done';
      }
      this.#begin(request);
    }
  }

  /**
   * Ends a pool VM of another template, whose VMs started earlier, so that this one's can be made. Returns
   * whether there is one.
   */
  #makeRoomFor(key: string): boolean {
    const isEarlier = (other: string): boolean => this.#demand.isEarlier(other, key);
    const other = [...this.#ready].find((vm) => isEarlier(vm.key));
    if (other) void this.#end(other).then(() => this.#settle());
    return other !== undefined;
  }

  #begin(request: PoolRequest): void {
    const { key } = request;
    const stop = new AbortController();
    const hurry = new AbortController();
    const made = this.#make(request, { signal: stop.signal, hurry: hurry.signal });
    const making: Making = { key, memoryMib: request.plan.shape.memoryMib, stop, hurry, made };
    this.#making.add(making);
    void made.then((vm) => {
      this.#making.delete(making);
      if (vm && !hurry.signal.aborted) this.#keep(vm);
      // One that cannot be made is not tried again until a VM of its shape has started.
      if (!vm && !stop.signal.aborted && this.#requests.get(key) === request) this.#requests.delete(key);
      this.#settle();
    });
  }

  async #make(
    { plan, key, hasWorkBase }: PoolRequest,
    options: Abortable & { hurry: AbortSignal },
  ): Promise<PoolVm | undefined> {
    const { log, templates } = this.#world;
    try {
      using template = await templates.use(key, { onDamage: (message) => log.warn(message) });
      if (!template) return undefined;
      const begun = performance.now();
      // All practice takes an emulated guest more than twice the time, which quick starts do not have.
      const isPractised = hasWorkBase || !this.#demand.isQuick(key, this.#now());
      const vm = await makePoolVm(this.#world, { plan, key, template, isPractised }, options);
      const ms = Math.round(performance.now() - begun);
      log.debug('a pool VM is ready', { vmId: vm.vmId, ms });
      if (isPractised && !options.hurry.aborted) this.#demand.notePace(ms);
      return vm;
    } catch (error) {
      if (!options.signal.aborted) log.warn('a pool VM could not be made', { key, error });
      return undefined;
    }
  }

  /** Keeps it ready until its VMM or its link ends. */
  #keep(vm: PoolVm): void {
    this.#ready.add(vm);
    void Promise.race([vm.running.exited, vm.agent.closed]).then(() => {
      if (this.#ready.has(vm)) void this.#end(vm);
    });
  }

  /** Ends one that is ready; never rejects. */
  async #end(vm: PoolVm): Promise<void> {
    this.#ready.delete(vm);
    const ended = this.#endNow(vm);
    this.#ending.add(ended);
    await ended;
    this.#ending.delete(ended);
  }

  async #endNow(vm: PoolVm): Promise<void> {
    try {
      await endPoolVm(this.#world, vm);
    } catch (error) {
      this.#world.log.error('a pool VM could not be ended', { vmId: vm.vmId, error });
    }
  }
}
