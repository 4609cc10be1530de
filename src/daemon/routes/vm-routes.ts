import { isAppError } from '../../base/errors.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { findVm } from '../../core/vms/find-vm.ts';
import { waitAsAsked } from '../../core/vms/guest/wait-in-guest.ts';
import { keepVm } from '../../core/vms/keep-vm.ts';
import { createVm } from '../../core/vms/lifecycle/create-vm.ts';
import { deleteVm } from '../../core/vms/lifecycle/delete-vm.ts';
import { killVm } from '../../core/vms/lifecycle/kill-vm.ts';
import { renameVm } from '../../core/vms/lifecycle/rename-vm.ts';
import { restartVm } from '../../core/vms/lifecycle/restart-vm.ts';
import { setVm } from '../../core/vms/lifecycle/set-vm.ts';
import { startVm } from '../../core/vms/lifecycle/start-vm.ts';
import { stopVm } from '../../core/vms/lifecycle/stop-vm.ts';
import { setForward } from '../../core/vms/network/set-forward.ts';
import { forkVm } from '../../core/vms/saved/fork-vm.ts';
import { suspendVm } from '../../core/vms/saved/suspend-vm.ts';
import { damagedView, endedView, vmView } from '../../core/vms/vm-view.ts';
import { baseOfNewVm, noteBase } from '../../core/vms/workspace/base-of-new-vm.ts';
import { withHostSide } from '../../core/vms/workspace/host-side.ts';
import { logsQuery } from '../../protocol/api/guest-queries.ts';
import type { CreateVmRequest } from '../../protocol/api/vm-requests.ts';
import * as schemas from '../../protocol/api/vm-requests.ts';
import type { Task } from '../../protocol/events.ts';
import { endedVm, type Vm, vm } from '../../protocol/vm.ts';
import type { App } from '../app.ts';
import { gatewayUrl } from '../gateway/gateway-name.ts';
import { jsonRoute, type Route, textRoute, workRoute } from '../http/route.ts';
import { followLog } from '../log/follow-log.ts';

/** The API of VMs. */
export const VM_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/vms',
    summary: 'Running VMs',
    query: schemas.listVmsQuery,
    answer: schemas.vmList,
    run: ({ app, query }) => {
      const isAll = query.all === '1';
      const { records } = app.world;
      const shown = records
        .list()
        .filter(({ state, purpose }) => isAll || (state === 'running' && purpose === undefined));
      return { vms: [...shown.map(vmView), ...(isAll ? records.damaged().map(damagedView) : [])] };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms',
    summary:
      'Make a VM and start it; hanging up before the result cancels it, and deletes an ephemeral VM at any time',
    body: schemas.createVmRequest,
    answer: vm,
    run: async ({ app, body, signal, report }) => {
      const record = await createWithTree(app, body, { signal, report });
      return {
        value: vmView(record),
        onClientGone: record.ephemeral ? () => deleteIfThere(app, record.id) : undefined,
      };
    },
  }),
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref',
    isEarly: true,
    summary: 'One VM',
    query: schemas.showVmQuery,
    answer: vm,
    run: async ({ app, params, query, signal }) => {
      const record = findVm(app.world.records, params['ref'] ?? '');
      const view = { ...vmView(record), ...(await webUrlOf(app, record)) };
      const { workspace } = view;
      if (!workspace || query.host !== '1') return view;
      return { ...view, workspace: await withHostSide(app.world, record, { workspace, signal }) };
    },
  }),
  workRoute({
    method: 'DELETE',
    path: '/vms/:ref',
    isEarly: true,
    summary: 'Delete a VM and its drives; the result is its last record',
    query: schemas.deleteVmQuery,
    answer: vm,
    isCancellable: false,
    run: async ({ app, params, query, report }) => {
      const options = { onlyResting: query.resting === '1', report };
      return { value: await deleteVm(app.world, params['ref'] ?? '', options) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/start',
    summary: 'Start a VM that is not running',
    body: schemas.startVmRequest,
    answer: vm,
    run: async ({ app, params, body, signal, report }) => ({
      value: vmView(
        await startVm(app.world, params['ref'] ?? '', {
          isCold: body.cold ?? false,
          onlyResume: body.onlyResume,
          signal,
          report,
        }),
      ),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/stop',
    summary: 'Stop a VM after its guest has written its data; `ending` says whether it did',
    answer: endedVm,
    isCancellable: false,
    run: async ({ app, params, report }) => ({
      value: endedView(await stopVm(app.world, params['ref'] ?? '', { report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/suspend',
    summary: 'Suspend a running VM: save its memory to disk; starting the VM resumes it',
    answer: vm,
    run: async ({ app, params, signal, report }) => ({
      value: vmView(await suspendVm(app.world, params['ref'] ?? '', { signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/fork',
    summary:
      'Copy a running VM, memory and all; hanging up before the result cancels it, and deletes ephemeral forks at any time',
    body: schemas.forkVmRequest,
    answer: schemas.forkedVms,
    run: async ({ app, params, body, signal, report }) => {
      const { records, pausedMs } = await forkVm(app.world, params['ref'] ?? '', {
        request: body,
        signal,
        report,
      });
      const deleteAll = async (): Promise<void> => {
        await Promise.all(records.map(({ id }) => deleteIfThere(app, id)));
      };
      return {
        value: { vms: records.map(vmView), pausedMs },
        onClientGone: body.ephemeral ? deleteAll : undefined,
      };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/restart',
    summary:
      'Stop a VM after its guest has written its data, and start it; only start a VM that is not running',
    answer: vm,
    run: async ({ app, params, signal, report }) => ({
      value: vmView(await restartVm(app.world, params['ref'] ?? '', { signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/kill',
    isEarly: true,
    summary:
      'End a VM without asking its guest to power off; the guest first writes its data if its agent answers',
    body: schemas.killVmRequest,
    answer: endedVm,
    isCancellable: false,
    run: async ({ app, params, body, report }) => ({
      value: endedView(await killVm(app.world, params['ref'] ?? '', { vmmSignal: body.signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/set',
    summary:
      'Change the shape of a VM that is not running (a work disk can only grow), or the NAT of any VM, at once if it is running',
    body: schemas.setVmRequest,
    answer: vm,
    run: async ({ app, params, body, signal, report }) => ({
      value: vmView(await setVm(app.world, params['ref'] ?? '', { request: body, report, signal })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/rename',
    summary: 'Give a VM another name',
    body: schemas.renameVmRequest,
    answer: vm,
    run: async ({ app, params, body, signal, report }) => ({
      value: vmView(await renameVm(app.world, params['ref'] ?? '', { name: body.name, report, signal })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/keep',
    summary: 'Keep an ephemeral VM when the client that made it is gone',
    answer: vm,
    run: async ({ app, params, signal }) => ({
      value: vmView(await keepVm(app.world, params['ref'] ?? '', { signal })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/forwards',
    summary:
      "Forward a port of this host's 127.0.0.1, and the same port of the VM's address, to a port of the guest, until it is removed",
    body: schemas.forwardPortRequest,
    answer: vm,
    run: async ({ app, params, body: { remove, reverse, ...ports }, signal, report }) => {
      const forward = reverse ? { ...ports, isReverse: true } : ports;
      const options = { forward, isRemoved: remove ?? false, signal, report };
      return { value: vmView(await setForward(app.world, params['ref'] ?? '', options)) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/wait',
    isEarly: true,
    summary:
      'Wait until a VM is running, ready, stopped or deleted, or until something in its guest listens or succeeds',
    body: schemas.waitForVmRequest,
    isUse: false,
    answer: vm,
    run: async ({ app, params, body, signal, report }) => ({
      value: vmView(await waitAsAsked(app.world, params['ref'] ?? '', { ...body, report, signal })),
    }),
  }),
  textRoute({
    method: 'GET',
    path: '/vms/:ref/logs',
    isEarly: true,
    summary: "The guest's console, or the VMM's own output",
    query: logsQuery,
    run: async ({ app, params, query, signal }) => {
      const { id } = findVm(app.world.records, params['ref'] ?? '');
      const { consoleLogPath, vmmLogPath } = app.world.files.folders(id);
      const path = query.kind === 'vmm' ? vmmLogPath : consoleLogPath;
      const isOver = (): boolean => app.world.records.get(id) === undefined;
      return followLog(path, { isFollowed: query.follow === '1', isOver, signal });
    },
  }),
];

/** The address of a VM's first web server, which a request also resumes. */
async function webUrlOf(app: App, { name, state }: VmRecord): Promise<Pick<Vm, 'web_url'>> {
  const isServed = state === 'running' || state === 'suspended';
  const gatewayPort = isServed ? await app.localServers.gatewayPort() : undefined;
  return gatewayPort === undefined ? {} : { web_url: gatewayUrl(name, { gatewayPort }) };
}

/** Makes a VM, if possible from a base image of the working tree that the request names. */
async function createWithTree(app: App, body: CreateVmRequest, task: Task): Promise<VmRecord> {
  const tree = body.noStart ? undefined : app.packs.find(body.packId);
  if (!tree || body.packId === undefined) return await createVm(app.world, body, task);
  const found = await baseOfNewVm(app.world, body, { ...task, tree });
  if (!found) return await createVm(app.world, body, { ...task, early: tree.early });
  using base = found.base;
  // While the start is planned.
  if (!body.cold) tree.early?.prepare(base);
  let record: VmRecord;
  try {
    record = await createVm(app.world, body, {
      ...task,
      workDiskBase: { file: base.file },
      early: tree.early,
    });
  } catch (error) {
    // Another daemon of this user, which has the same cache, may remove it at any time.
    if (!isAppError(error, 'VMM_DRIVE_INVALID') || error.details?.['path'] !== base.file) throw error;
    app.world.log.warn('the base image of a new VM is gone', { path: base.file });
    return await createVm(app.world, body, task);
  }
  await noteBase(app.world, record, { base, choice: tree.choice });
  app.packs.noteBegin(body.packId, found.beganWith);
  return record;
}

/** Deletes a VM whose client is gone, unless it was kept or deleted meanwhile. */
async function deleteIfThere(app: App, vmId: string): Promise<void> {
  // The client has disconnected, so nobody would try again.
  const options = { waitMs: Number.POSITIVE_INFINITY };
  if (app.world.records.get(vmId)?.ephemeral) await deleteVm(app.world, vmId, options);
}
