import { afterPowerCut, contentOf, type GuestModel, synced, withFile } from './guest-model.ts';
import { makeContent, type Step } from './step.ts';

/** The expected state of a VM. */
export interface VmModel {
  name: string;
  state: 'running' | 'suspended' | 'stopped' | 'error';
  guest: GuestModel;
  snapshots: ReadonlyMap<string, GuestModel>;
}

/** The expected states of all VMs, by name. Immutable. */
export type WorldModel = ReadonlyMap<string, VmModel>;

/**
 * The possible worlds after a step; exactly one when nothing was killed meanwhile. The states of all VMs and
 * their contents show which one it is.
 */
export function outcomesOf(world: WorldModel, step: Step): WorldModel[] {
  const done = after(world, step);
  const { interruption } = step;
  if (!interruption) return [done];
  const vm = world.get(step.vm);
  const cut = (from: VmModel): VmModel => ({ ...from, state: 'stopped', guest: afterPowerCut(from.guest) });
  const halfway: WorldModel[] = [];
  if (vm) halfway.push(...halfwayOf(vm, step).map((one) => withVm(world, one)));
  // The killed VMM is the one that ran when the step began; what was done before stays done.
  if (vm && interruption.whom === 'vmm') {
    halfway.push(
      withVm(world, cut(vm)),
      withVm(done, { ...cut(vm), snapshots: done.get(vm.name)?.snapshots ?? vm.snapshots }),
    );
  }
  return [done, world, ...halfway];
}

/** States in which an interrupted step may leave a VM. */
function halfwayOf(vm: VmModel, step: Step): VmModel[] {
  const ended = (guest: GuestModel): VmModel[] =>
    (['stopped', 'error'] as const).map((state) => ({ ...vm, state, guest: afterPowerCut(guest) }));
  switch (step.do) {
    case 'resume':
    case 'start':
    case 'stop':
    case 'kill':
      return ended(vm.guest);
    case 'restore':
      // With its former drives, or with those of the snapshot.
      return [...ended(vm.guest), ...ended(vm.snapshots.get(step.tag) ?? vm.guest)];
    default:
      return [];
  }
}

/** The world after a step that is not interrupted. */
function after(world: WorldModel, step: Step): WorldModel {
  const vm = world.get(step.vm);
  if (step.do === 'kill-daemon') return world;
  if (!vm)
    return withVm(world, {
      name: step.vm,
      state: 'running',
      guest: { files: new Map() },
      snapshots: new Map(),
    });
  switch (step.do) {
    case 'delete':
      return new Map([...world].filter(([name]) => name !== step.vm));
    case 'fork':
      return withVm(world, { ...vm, name: step.to, snapshots: new Map() });
    default:
      return withVm(world, vmAfter(vm, step));
  }
}

function vmAfter(vm: VmModel, step: Step): VmModel {
  const { guest } = vm;
  switch (step.do) {
    case 'write':
    case 'append': {
      const { path, isSynced } = step;
      const bytes = makeContent(step.contentId, step.sizeBytes);
      const old = step.do === 'append' ? contentOf(guest, path) : undefined;
      return {
        ...vm,
        guest: withFile(guest, { path, content: old ? Buffer.concat([old, bytes]) : bytes, isSynced }),
      };
    }
    case 'remove':
      return {
        ...vm,
        guest: withFile(guest, { path: step.path, content: undefined, isSynced: step.isSynced }),
      };
    case 'sync':
      return { ...vm, guest: synced(guest) };
    case 'serve':
      return { ...vm, guest: { ...guest, answered: 0 } };
    case 'snapshot':
      return { ...vm, snapshots: new Map(vm.snapshots).set(step.tag, guest) };
    case 'drop-snapshot':
      return { ...vm, snapshots: new Map([...vm.snapshots].filter(([tag]) => tag !== step.tag)) };
    case 'restore':
      return { ...vm, state: 'running', guest: vm.snapshots.get(step.tag) ?? guest };
    case 'suspend':
      return { ...vm, state: 'suspended', guest: synced(guest) };
    case 'resume':
    case 'start':
      return { ...vm, state: 'running' };
    case 'stop':
    case 'kill':
      return { ...vm, state: 'stopped', guest: afterPowerCut(synced(guest)) };
    case 'kill-vmm':
      return { ...vm, state: 'stopped', guest: afterPowerCut(guest) };
    default:
      return vm;
  }
}

function withVm(world: WorldModel, vm: VmModel): WorldModel {
  return new Map(world).set(vm.name, vm);
}
