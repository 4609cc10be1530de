import { SharedWork } from '../../base/async.ts';
import { AppError, invariant } from '../../base/errors.ts';
import type { ConnectOptions, GuestAgent, GuestConnector } from '../ports/guest.ts';
import type { RunningVm } from '../ports/vmm/running-vm.ts';
import { type ConnectAgentOptions, connectAgent, waitsForSpace } from './guest/connect-agent.ts';

interface LiveVm {
  running: RunningVm;
  link?: GuestAgent;
}

/**
 * The VMs whose VMM this daemon controls, with one link to the agent of each. The next caller that needs a
 * lost link opens a new one.
 */
export class LiveVms {
  readonly #vms = new Map<string, LiveVm>();
  readonly #connecting = new SharedWork<GuestAgent>();
  readonly #connector: GuestConnector;
  readonly #nameOf: (vmId: string) => string | undefined;
  readonly #userOf: (vmId: string) => string | undefined;
  #onResume: (vmId: string) => void = () => {};
  #onAdd: (vmId: string) => void = () => {};

  /**
   * `nameOf` returns a VM's present name, which errors say; undefined for one without a record. `userOf`
   * returns the user in whose name its agent acts; undefined for root.
   */
  constructor(
    connector: GuestConnector,
    {
      nameOf,
      userOf = () => undefined,
    }: {
      nameOf: (vmId: string) => string | undefined;
      userOf?: (vmId: string) => string | undefined;
    },
  ) {
    this.#connector = connector;
    this.#nameOf = nameOf;
    this.#userOf = userOf;
  }

  /** Ids of all these VMs. */
  ids(): string[] {
    return [...this.#vms.keys()];
  }

  /** The VMM of a VM, when this daemon controls it. */
  get(vmId: string): RunningVm | undefined {
    return this.#vms.get(vmId)?.running;
  }

  /**
   * From now on calls `listener` when a VM runs again after a pause, or may have been paused while no daemon
   * ran.
   */
  listenForResume(listener: (vmId: string) => void): void {
    this.#onResume = listener;
  }

  /** From now on, until disposed of, calls `listener` when a VMM was added. Replaces an earlier listener. */
  listenForAdd(listener: (vmId: string) => void): Disposable {
    this.#onAdd = listener;
    return {
      [Symbol.dispose]: () => {
        this.#onAdd = () => {};
      },
    };
  }

  /** Reports that a VM may have been paused while no daemon ran. */
  mayHavePaused(vmId: string): void {
    this.#onResume(vmId);
  }

  /** Adds a running VMM, and the link to its agent when there is one. */
  add(vmId: string, running: RunningVm, link?: GuestAgent): void {
    invariant(!this.#vms.has(vmId), `the VM ${vmId} is already running`);
    const vm: LiveVm = { running };
    this.#vms.set(vmId, vm);
    running.onResume(() => this.#onResume(vmId));
    if (link) keep(vm, link);
    this.#onAdd(vmId);
  }

  /**
   * Replaces the VM's VMM and agent link, if there are any; later callers get the new ones. Closes the old
   * link, which ends its commands. Returns the old VMM, detached and still running.
   */
  async replace(vmId: string, running: RunningVm, link: GuestAgent): Promise<RunningVm | undefined> {
    const old = this.#vms.get(vmId);
    this.#vms.delete(vmId);
    this.add(vmId, running, link);
    old?.running.detach();
    await old?.link?.[Symbol.asyncDispose]();
    return old?.running;
  }

  /**
   * The link to the VM's agent; opened when there is none. Callers share it and must not dispose of it.
   *
   * @throws {AppError} VM_NOT_RUNNING when we hold no VMM of it; VMM_LOST when it ends meanwhile;
   * HOST_NO_SPACE when the guest is paused until there is disk space; GUEST_UNREACHABLE, GUEST_GENERATION.
   */
  async agent(vmId: string, options: ConnectOptions): Promise<GuestAgent> {
    const vm = this.#vms.get(vmId);
    const vmName = (): string | undefined => this.#nameOf(vmId);
    if (!vm) {
      const name = vmName() ?? vmId;
      throw new AppError('VM_NOT_RUNNING', `Cannot reach the guest of vm "${name}": it is not running`, {
        hint: `banger vm show ${name} says why; to run it again: banger vm start ${name}`,
      });
    }
    const vmUser = (): string | undefined => this.#userOf(vmId);
    const cause = this.whySilent(vmId);
    if (cause) throw cause;
    if (vm.link) return vm.link;
    return await this.#connecting.run(
      vmId,
      (signal) => this.#connect(vm, { ...options, vmId, vmName, vmUser, signal }),
      options,
    );
  }

  /** The error for a guest that cannot answer because it is paused until there is disk space. */
  whySilent(vmId: string): AppError | undefined {
    if (!this.#vms.get(vmId)?.running.isStalled) return undefined;
    return waitsForSpace({ vmId, name: this.#nameOf(vmId) });
  }

  /** Closes the link to the VM's agent, if there is one, and keeps the VMM. Idempotent. */
  async disconnect(vmId: string): Promise<void> {
    await this.#vms.get(vmId)?.link?.[Symbol.asyncDispose]();
  }

  /**
   * Forgets the VM: closes its link, which ends its commands, and detaches from its VMM, which keeps running.
   * Idempotent.
   */
  async remove(vmId: string): Promise<void> {
    const vm = this.#vms.get(vmId);
    this.#vms.delete(vmId);
    vm?.running.detach();
    await vm?.link?.[Symbol.asyncDispose]();
  }

  async #connect(vm: LiveVm, options: ConnectAgentOptions): Promise<GuestAgent> {
    const link = await connectAgent(this.#connector, vm.running, options);
    keep(vm, link);
    return link;
  }
}

/** Keeps the link with the VM until it is lost. */
function keep(vm: LiveVm, link: GuestAgent): void {
  vm.link = link;
  void link.closed.then(() => {
    if (vm.link === link) delete vm.link;
  });
}
