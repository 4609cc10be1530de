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
 * The VMs whose VMM this daemon holds, and its one link to the agent of each. A link that was lost is made
 * again by the next who needs it.
 */
export class LiveVms {
  readonly #vms = new Map<string, LiveVm>();
  readonly #connecting = new SharedWork<GuestAgent>();
  readonly #connector: GuestConnector;
  readonly #nameOf: (vmId: string) => string | undefined;
  #onResume: (vmId: string) => void = () => {};

  /** `nameOf` returns a VM's present name, which errors say; undefined for one without a record. */
  constructor(connector: GuestConnector, { nameOf }: { nameOf: (vmId: string) => string | undefined }) {
    this.#connector = connector;
    this.#nameOf = nameOf;
  }

  /** Ids of all. */
  ids(): string[] {
    return [...this.#vms.keys()];
  }

  /** The VMM of a VM, when we hold one. */
  get(vmId: string): RunningVm | undefined {
    return this.#vms.get(vmId)?.running;
  }

  /**
   * Calls `listener` from now on when a VM runs again after a pause, or may have been paused while no daemon
   * held it.
   */
  listenForResume(listener: (vmId: string) => void): void {
    this.#onResume = listener;
  }

  /** Says that a VM may have been paused while no daemon held its VMM. */
  mayHavePaused(vmId: string): void {
    this.#onResume(vmId);
  }

  /** Takes over a VMM that runs, and with it the link to its agent, when there is one. */
  add(vmId: string, running: RunningVm, link?: GuestAgent): void {
    invariant(!this.#vms.has(vmId), `the VM ${vmId} runs already`);
    const vm: LiveVm = { running };
    this.#vms.set(vmId, vm);
    running.onResume(() => this.#onResume(vmId));
    if (link) keep(vm, link);
  }

  /**
   * Puts a VMM and its agent's link in the place of those of the VM, if there are any: whoever asks from then
   * on gets the new ones. The old link is closed, which ends its commands. Returns the old VMM, which is let
   * go of and still runs.
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
   * The link to the VM's agent; made when there is none. Callers share it and do not dispose of it.
   *
   * @throws {AppError} VM_NOT_RUNNING when we hold no VMM of it; VMM_LOST when it ends meanwhile;
   * HOST_NO_SPACE when the guest stands still for that; GUEST_UNREACHABLE, GUEST_GENERATION.
   */
  async agent(vmId: string, options: ConnectOptions): Promise<GuestAgent> {
    const vm = this.#vms.get(vmId);
    const vmName = (): string | undefined => this.#nameOf(vmId);
    if (!vm) {
      const name = vmName() ?? vmId;
      throw new AppError('VM_NOT_RUNNING', `Cannot reach the guest of vm "${name}": it is not running`);
    }
    if (vm.running.isStalled) throw waitsForSpace({ vmId, name: vmName() });
    if (vm.link) return vm.link;
    return await this.#connecting.run(
      vmId,
      (signal) => this.#connect(vm, { ...options, vmId, vmName, signal }),
      options,
    );
  }

  /** Closes the link to the VM's agent, if there is one. The VMM stays ours. Idempotent. */
  async disconnect(vmId: string): Promise<void> {
    await this.#vms.get(vmId)?.link?.[Symbol.asyncDispose]();
  }

  /**
   * Forgets the VM: closes its link, which ends its commands, and lets go of its VMM, which goes on.
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

/** The VM has this link until it is lost. */
function keep(vm: LiveVm, link: GuestAgent): void {
  vm.link = link;
  void link.closed.then(() => {
    if (vm.link === link) delete vm.link;
  });
}
