import fc from 'fast-check';
import type { Action, Interruption, Step } from './step.ts';
import { PATHS } from './step.ts';
import type { VmModel, WorldModel } from './world-model.ts';

/**
 * Random numbers that decide one step. Their meaning depends on which steps are possible at that moment, so
 * any part of a sequence is a valid sequence, too.
 */
export interface Draw {
  action: number;
  vm: number;
  detail: number;
  interruption: number;
}

/** Limits, so that all VMs fit on the host. */
const MAX_VMS = 3;
const TAGS = ['one', 'two'];
const SIZES = [0, 17, 4_096, 5_000, 200_000];

/** A kind of step: its weight when it is possible, and the VMs to which it applies. */
interface Kind {
  do: Action['do'];
  weight: number;
  /** may be interrupted by a kill */
  isLong?: true;
  fits(vm: VmModel, world: WorldModel): boolean;
}

const isRunning = ({ state }: VmModel): boolean => state === 'running';
const isAtRest = ({ state }: VmModel): boolean => state === 'stopped' || state === 'error';

const KINDS: readonly Kind[] = [
  { do: 'write', weight: 5, fits: isRunning },
  { do: 'append', weight: 3, fits: isRunning },
  { do: 'remove', weight: 2, fits: (vm) => isRunning(vm) && vm.guest.files.size > 0 },
  { do: 'sync', weight: 1, fits: isRunning },
  { do: 'serve', weight: 4, fits: (vm) => isRunning(vm) && vm.guest.answered === undefined },
  { do: 'fork', weight: 5, isLong: true, fits: (vm, world) => isRunning(vm) && world.size < MAX_VMS },
  { do: 'snapshot', weight: 4, isLong: true, fits: (vm) => isRunning(vm) && freeTag(vm) !== undefined },
  { do: 'restore', weight: 5, isLong: true, fits: ({ snapshots }) => snapshots.size > 0 },
  { do: 'drop-snapshot', weight: 1, fits: ({ snapshots }) => snapshots.size > 0 },
  { do: 'suspend', weight: 5, isLong: true, fits: isRunning },
  { do: 'resume', weight: 8, isLong: true, fits: ({ state }) => state === 'suspended' },
  { do: 'stop', weight: 1, isLong: true, fits: ({ state }) => state === 'running' || state === 'suspended' },
  { do: 'kill', weight: 1, isLong: true, fits: ({ state }) => state === 'running' || state === 'suspended' },
  { do: 'start', weight: 2, isLong: true, fits: isAtRest },
  { do: 'kill-vmm', weight: 3, fits: isRunning },
  { do: 'kill-daemon', weight: 3, fits: () => true },
  { do: 'delete', weight: 1, isLong: true, fits: (_, world) => world.size > 1 },
  { do: 'create', weight: 1, isLong: true, fits: (_, world) => world.size < MAX_VMS },
];

const number = fc.noBias(fc.nat());

/** The draws of one sequence. */
export const DRAWS: fc.Arbitrary<Draw[]> = fc.array(
  fc.record({ action: number, vm: number, detail: number, interruption: number }),
  { minLength: 5, maxLength: 8, size: 'max' },
);

/** The step that a draw selects. `at` is its index in the sequence, which makes new names unique. */
export function chooseStep(world: WorldModel, draw: Draw, at: number): Step {
  const fresh = `vm-${at}`;
  if (world.size === 0) return { do: 'create', vm: fresh };
  const vms = [...world.values()];
  const possible = KINDS.filter((kind) => vms.some((vm) => kind.fits(vm, world)));
  const { kind, vm } = pick(possible, vms, { world, draw });
  const step: Step = { ...actionOf(kind, vm, { draw, at }), vm: kind.do === 'create' ? fresh : vm.name };
  const interruption = kind.isLong ? interruptionOf(draw, vm) : undefined;
  return interruption ? { ...step, interruption } : step;
}

function pick(
  possible: readonly Kind[],
  vms: readonly VmModel[],
  { world, draw }: { world: WorldModel; draw: Draw },
): { kind: Kind; vm: VmModel } {
  let left = draw.action % possible.reduce((sum, { weight }) => sum + weight, 0);
  for (const kind of possible) {
    left -= kind.weight;
    if (left >= 0) continue;
    const fitting = vms.filter((vm) => kind.fits(vm, world));
    return { kind, vm: at(fitting, draw.vm) };
  }
  throw new Error('weights are positive');
}

function actionOf(kind: Kind, vm: VmModel, { draw, at: place }: { draw: Draw; at: number }): Action {
  const { detail } = draw;
  const isSynced = detail % 2 === 0;
  const half = Math.floor(detail / 2);
  switch (kind.do) {
    case 'write':
    case 'append': {
      const sizeBytes = at(SIZES, Math.floor(half / PATHS.length));
      return { do: kind.do, path: at(PATHS, half), contentId: place, sizeBytes, isSynced };
    }
    case 'remove':
      return { do: 'remove', path: at(PATHS, half), isSynced };
    case 'fork':
      return { do: 'fork', to: `vm-${place}` };
    case 'snapshot':
      return { do: 'snapshot', tag: freeTag(vm) ?? '' };
    case 'restore':
    case 'drop-snapshot':
      return { do: kind.do, tag: at([...vm.snapshots.keys()], detail) };
    default:
      return { do: kind.do };
  }
}

/**
 * `ms` within which a step is interrupted: near its beginning, anywhere on an idle host, anywhere on a busy
 * one.
 */
const CUT_WITHIN_MS = [300, 1_500, 5_000];

/** One of four long steps is interrupted. */
function interruptionOf({ interruption: drawn }: Draw, vm: VmModel): Interruption | undefined {
  if (drawn % 4 !== 0) return undefined;
  const rest = Math.floor(drawn / 4);
  const whom = at(
    isRunning(vm) ? (['daemon', 'client', 'vmm'] as const) : (['daemon', 'client'] as const),
    rest,
  );
  const [window, moment] = [at(CUT_WITHIN_MS, Math.floor(rest / 3)), Math.floor(rest / 9)];
  return { whom, afterMs: moment % window };
}

function freeTag(vm: VmModel): string | undefined {
  return TAGS.find((tag) => !vm.snapshots.has(tag));
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}
