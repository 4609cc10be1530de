/** The states of a VM in the pool while no client changes it. */
export type PoolState = 'running' | 'stopped' | 'suspended';

/** A VM that the clients work with. */
export interface PoolVm {
  name: string;
  state: PoolState;
  nat: boolean;
  memoryMib: number;
}

interface Slot {
  vm: PoolVm;
  readers: number;
  isTaken: boolean;
}

/**
 * Assigns VMs to clients so that every command must succeed: any number of clients may use a VM at once, and
 * only one may change it. Never waits; returns `undefined` when nothing is free.
 */
export class VmPool {
  readonly #slots = new Map<string, Slot>();
  readonly #most: number;
  readonly #random: () => number;
  #reserved = 0;

  /** Holds up to `most` VMs; `random` chooses. */
  constructor(most: number, random: () => number) {
    this.#most = most;
    this.#random = random;
  }

  /** All VMs. */
  all(): PoolVm[] {
    return [...this.#slots.values()].map(({ vm }) => vm);
  }

  /** Reserves room for one more VM, until disposed of. */
  reserve(): Disposable | undefined {
    if (this.#slots.size + this.#reserved >= this.#most) return undefined;
    this.#reserved += 1;
    return once(() => {
      this.#reserved -= 1;
    });
  }

  /** Adds a VM that was created in reserved room. */
  add(vm: PoolVm): void {
    this.#slots.set(vm.name, { vm, readers: 0, isTaken: false });
  }

  /** Removes a VM. */
  remove(vm: PoolVm): void {
    for (const [name, slot] of this.#slots) if (slot.vm === vm) this.#slots.delete(name);
  }

  /** A running VM, for shared use. */
  share(): (Disposable & { vm: PoolVm }) | undefined {
    const slot = this.#choose((slot) => !slot.isTaken && slot.vm.state === 'running');
    if (!slot) return undefined;
    slot.readers += 1;
    return {
      vm: slot.vm,
      ...once(() => {
        slot.readers -= 1;
      }),
    };
  }

  /** A VM for exclusive use. */
  take(state: PoolState): (Disposable & { vm: PoolVm }) | undefined {
    const slot = this.#choose((slot) => !slot.isTaken && slot.readers === 0 && slot.vm.state === state);
    if (!slot) return undefined;
    slot.isTaken = true;
    return {
      vm: slot.vm,
      ...once(() => {
        slot.isTaken = false;
      }),
    };
  }

  #choose(isFit: (slot: Slot) => boolean): Slot | undefined {
    const fit = [...this.#slots.values()].filter(isFit);
    return fit[Math.floor(this.#random() * fit.length)];
  }
}

function once(undo: () => void): Disposable {
  let isOver = false;
  return {
    [Symbol.dispose]: () => {
      if (!isOver) undo();
      isOver = true;
    },
  };
}
