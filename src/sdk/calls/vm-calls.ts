import type { Abortable } from '../../base/abort.ts';
import type { WorkQuery } from '../../protocol/api/operation.ts';
import {
  type CreateVmRequest,
  type DeleteVmQuery,
  type ForkedVms,
  type ForkVmRequest,
  type ForwardPortRequest,
  forkedVms,
  type KillVmRequest,
  type ListVmsQuery,
  type SetVmRequest,
  type ShowVmQuery,
  type StartVmRequest,
  vmList,
  type WaitForVmRequest,
} from '../../protocol/api/vm-requests.ts';
import { type EndedVm, endedVm, type Vm, vm } from '../../protocol/vm.ts';
import type { Lease, LeaseOptions, VmLease } from '../lease.ts';
import { flag, vmPath, withQuery } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** The life cycle of VMs. */
export interface VmCalls {
  /** Running VMs, or all with `isAll`. */
  listVms(options: Abortable & { isAll?: boolean }): Promise<Vm[]>;
  /** One VM; `withHost` also looks at the working tree that its workspace is a copy of. */
  showVm(ref: string, options: Abortable & { withHost?: boolean }): Promise<Vm>;
  /**
   * Creates and starts a VM. Cancelled: nothing is left. With `isDetached`, hanging up does not cancel it.
   */
  createVm(
    request: Omit<CreateVmRequest, 'ephemeral'>,
    options: Abortable & { isDetached?: boolean },
  ): Work<Vm>;
  /**
   * Creates a VM that is deleted when the lease is disposed of or this process dies. Cancelled: nothing is
   * left.
   */
  leaseVm(request: Omit<CreateVmRequest, 'ephemeral'>, options: LeaseOptions): Promise<VmLease>;
  startVm(ref: string, options: StartVmRequest & Abortable): Work<Vm>;
  /**
   * Stops the VM after its guest has written its data. Hanging up does not cancel that;
   * {@link VmCalls.killVm} does.
   */
  stopVm(ref: string, options: Abortable): Work<EndedVm>;
  /** Saves memory and devices to disk and ends the VMM; a start resumes the VM. */
  suspendVm(ref: string, options: Abortable): Work<Vm>;
  /** Copies a running VM with its memory. Cancelled: nothing is left. */
  forkVm(ref: string, request: Omit<ForkVmRequest, 'ephemeral'>, options: Abortable): Work<ForkedVms>;
  /** Forks that are deleted when the lease is disposed of or this process dies. */
  leaseForks(
    ref: string,
    request: Omit<ForkVmRequest, 'ephemeral'>,
    options: LeaseOptions,
  ): Promise<Lease<ForkedVms>>;
  /** Stops the VM, and starts it: a new boot. */
  restartVm(ref: string, options: Abortable): Work<Vm>;
  /** Ends the VM without a power-off of its guest; the guest syncs first when it answers. */
  killVm(ref: string, request: KillVmRequest, options: Abortable): Work<EndedVm>;
  /** Changes the shape of a VM that does not run, or the NAT of any VM. */
  setVm(ref: string, request: SetVmRequest, options: Abortable): Work<Vm>;
  /** Forwards a port of the daemon's host to a port of the guest, or ends that. */
  forwardPort(ref: string, request: ForwardPortRequest, options: Abortable): Work<Vm>;
  renameVm(ref: string, name: string, options: Abortable): Work<Vm>;
  /** Keeps the VM of a lease when the lease ends. */
  keepVm(ref: string, options: Abortable): Work<Vm>;
  /** Waits for a condition; after a deletion, the result is the VM's last state. */
  waitForVm(ref: string, request: WaitForVmRequest, options: Abortable): Work<Vm>;
  /**
   * Stops the VM and removes its drives; the result is the VM's last state. With `onlyResting`, a VM that
   * runs is refused.
   */
  deleteVm(ref: string, options: Abortable & { onlyResting?: boolean }): Work<Vm>;
}

/** {@link VmCalls} over one transport. */
export function vmCalls(caller: Caller): VmCalls {
  return {
    listVms: async ({ isAll, signal }) =>
      (await caller.get(withQuery<ListVmsQuery>('/vms', { all: flag(isAll) }), vmList, { signal })).vms,
    showVm: async (ref, { withHost, signal }) =>
      await caller.get(withQuery<ShowVmQuery>(vmPath(ref), { host: flag(withHost) }), vm, { signal }),
    createVm: (body, { signal, isDetached }) =>
      caller.vmWork(withQuery<WorkQuery>('/vms', { detach: flag(isDetached) }), { body, signal }),
    leaseVm: async (body, options) => {
      const lease = await caller.lease('/vms', vm, { ...options, body: { ...body, ephemeral: true } });
      return { vm: lease.value, [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose]() };
    },
    startVm: (ref, { signal, ...body }) => caller.vmWork(vmPath(ref, 'start'), { signal, body }),
    stopVm: (ref, options) => caller.work(vmPath(ref, 'stop'), endedVm, options),
    suspendVm: (ref, options) => caller.vmWork(vmPath(ref, 'suspend'), options),
    forkVm: (ref, body, { signal }) => caller.work(vmPath(ref, 'fork'), forkedVms, { body, signal }),
    leaseForks: (ref, body, options) =>
      caller.lease(vmPath(ref, 'fork'), forkedVms, { ...options, body: { ...body, ephemeral: true } }),
    restartVm: (ref, options) => caller.vmWork(vmPath(ref, 'restart'), options),
    killVm: (ref, body, { signal }) => caller.work(vmPath(ref, 'kill'), endedVm, { body, signal }),
    setVm: (ref, body, { signal }) => caller.vmWork(vmPath(ref, 'set'), { body, signal }),
    forwardPort: (ref, body, { signal }) => caller.vmWork(vmPath(ref, 'forwards'), { body, signal }),
    renameVm: (ref, name, { signal }) => caller.vmWork(vmPath(ref, 'rename'), { body: { name }, signal }),
    keepVm: (ref, { signal }) => caller.vmWork(vmPath(ref, 'keep'), { signal }),
    waitForVm: (ref, body, { signal }) => caller.vmWork(vmPath(ref, 'wait'), { body, signal }),
    deleteVm: (ref, { signal, onlyResting }) =>
      caller.vmWork(withQuery<DeleteVmQuery>(vmPath(ref), { resting: flag(onlyResting) }), {
        method: 'DELETE',
        signal,
      }),
  };
}
