import { type Abortable, anySignal, onAbort } from '../../../base/abort.ts';
import { isAbort } from '../../../base/errors.ts';
import { replaceWorkDisk } from '../lifecycle/replace-work-disk.ts';
import { driverOf } from '../vm-drivers.ts';
import type { UnrecordedVms, VmHost, Vms } from '../world.ts';
import { endPoolVm } from './make-pool-vm.ts';
import type { PoolRequest, PoolVm } from './pool-vm.ts';

/** What early claims work on. */
export type EarlyClaimWorld = Pick<VmHost, 'drivers' | 'files'> &
  Pick<Vms, 'log'> &
  Pick<UnrecordedVms, 'pool'>;

/** A base image, and the size of the work disk over it. */
export interface EarlyBase {
  file: string;
  diskSizeBytes: number;
}

/** `ms` for a guest to release and mount a disk: a host that needs longer does not win time by this. */
const DEADLINE_MS = 30_000;

/**
 * A pool VM that is set aside for a start with a working tree, while the host still compares the tree with
 * its base image. Meanwhile the guest releases its work disk and mounts the one over the base image, which
 * takes an emulated guest longer than the rest of a claim. No user's program runs in it before it is claimed.
 *
 * Disposing gives the VM back to the pool unless a start has taken it; one that has seen a base image is
 * ended instead.
 */
export interface EarlyClaim extends AsyncDisposable {
  /**
   * Begins to give the guest the work disk over this base; returns at once. Only the first base counts: a
   * guest never sees two.
   */
  prepare(base: EarlyBase): void;
  /**
   * The VM, for a start from the template `key` with `file` as the base of its work disk; the caller then
   * owns it. Waits for what was begun. Returns `undefined` when the VM has another template or base, or
   * something failed; then nothing of it is left.
   *
   * @throws the abort reason.
   */
  take(key: string, options: Abortable & { file: string | undefined }): Promise<PoolVm | undefined>;
}

/**
 * Sets aside the pool VM that a start over this base would claim, and has its guest release its work disk.
 * Without a base, which is still to be made, it is the one that the next start probably claims. Returns
 * `undefined` when there is none.
 */
export function claimEarly(
  world: EarlyClaimWorld,
  base: { imageName: string; diskSizeBytes: number } | undefined,
): EarlyClaim | undefined {
  const isFit = ({ plan: { image, shape } }: PoolRequest): boolean =>
    !base || (image.name === base.imageName && shape.diskSizeBytes === base.diskSizeBytes);
  const vm = world.pool?.reserve(isFit);
  return vm && new Claim(world, vm);
}

class Claim implements EarlyClaim {
  readonly #world: EarlyClaimWorld;
  readonly #vm: PoolVm;
  readonly #stop = new AbortController();
  /** the VM as it is after the work so far */
  #work: Promise<PoolVm>;
  #isPrepared = false;
  #isOver = false;

  constructor(world: EarlyClaimWorld, vm: PoolVm) {
    this.#world = world;
    this.#vm = vm;
    this.#work = this.#released();
    this.#work.catch(() => {});
  }

  prepare(base: EarlyBase): void {
    const [disk] = this.#vm.drives.filter(({ serial }) => serial === 'work');
    if (this.#isPrepared || this.#isOver || disk?.sizeBytes !== base.diskSizeBytes) return;
    this.#isPrepared = true;
    this.#work = this.#work.then((vm) => this.#over(vm, base));
    this.#work.catch(() => {});
  }

  async take(key: string, options: Abortable & { file: string | undefined }): Promise<PoolVm | undefined> {
    if (this.#isOver) return undefined;
    const vm = this.#vm.key === key ? await this.#ready(options) : undefined;
    const { base } = vm?.workDisk ?? {};
    if (vm && !this.#isOver && (base === undefined || base.file === options.file)) {
      this.#isOver = true;
      return vm;
    }
    await this[Symbol.asyncDispose]();
    options.signal.throwIfAborted();
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#isPrepared && (await this.#isGivenBack())) return;
    this.#stop.abort();
    await this.#work.catch(() => {});
    await endPoolVm(this.#world, this.#vm);
  }

  /** Returns whether the guest is as before, and in the pool again. */
  async #isGivenBack(): Promise<boolean> {
    const { pool, log } = this.#world;
    try {
      await this.#work;
      using within = this.#within();
      await this.#vm.agent.personalise({ workDisk: 'mount' }, within);
    } catch (error) {
      log.warn('a pool VM could not be given back', { vmId: this.#vm.vmId, error });
      return false;
    }
    return pool?.giveBack(this.#vm) ?? false;
  }

  /** The VM after what was begun; `undefined` when that failed or `signal` aborts. */
  async #ready({ signal }: Abortable): Promise<PoolVm | undefined> {
    using _stop = onAbort(signal, () => this.#stop.abort(signal.reason));
    try {
      const vm = await this.#work;
      return signal.aborted ? undefined : vm;
    } catch (error) {
      const { vmId } = this.#vm;
      if (!isAbort(error))
        this.#world.log.warn('a pool VM could not get its work disk early', { vmId, error });
      return undefined;
    }
  }

  async #released(): Promise<PoolVm> {
    using within = this.#within();
    await this.#vm.agent.personalise({ workDisk: 'release' }, within);
    return { ...this.#vm, workDisk: {} };
  }

  async #over(vm: PoolVm, { file, diskSizeBytes }: EarlyBase): Promise<PoolVm> {
    using within = this.#within();
    const { files } = this.#world;
    const { baseDir } = files.folders(vm.vmId);
    const workBase = await driverOf(this.#world, { ...vm, name: vm.vmId }).addBase(
      { file, dir: baseDir },
      within,
    );
    const replacing = { ...vm, isReleased: true, diskSizeBytes, ...within };
    const drives = await replaceWorkDisk(this.#world, { id: vm.vmId, workBase }, replacing);
    await vm.agent.personalise({ workDisk: 'mount' }, within);
    return { ...vm, drives, workDisk: { base: { file, workBase } } };
  }

  #within(): Abortable & Disposable {
    return anySignal(this.#stop.signal, AbortSignal.timeout(DEADLINE_MS));
  }
}
