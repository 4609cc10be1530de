import type { ForkedVms } from '../../protocol/api/vm-requests.ts';
import type { EndedVm, Vm, VmShape, VmWorkspace } from '../../protocol/vm.ts';
import { type GuardOf, isNumber, isText, isTruth, listOf, optional, shapeOf } from '../guards.ts';

/** A shape. */
export const isShape = shapeOf<VmShape>({
  vcpuCount: isNumber,
  memoryMib: isNumber,
  diskSizeBytes: isNumber,
  systemOverlaySizeBytes: isNumber,
});

const vmGuards = {
  id: isText,
  name: isText,
  state: isText,
  image: isText,
  shape: isShape,
  nat: isTruth,
  ephemeral: isTruth,
  workspace: optional(
    shapeOf<VmWorkspace>({
      guestPath: isText,
      sourcePath: isText,
      headCommit: optional(isText),
      hostHeadCommit: optional(isText),
    }),
  ),
  runtime: optional(
    shapeOf<NonNullable<Vm['runtime']>>({
      vmm: isText,
      accelerator: isText,
      pid: isNumber,
      startedAt: isText,
    }),
  ),
  lastError: optional(shapeOf<NonNullable<Vm['lastError']>>({ code: isText, message: isText })),
  createdAt: isText,
  updatedAt: isText,
};

/** A VM. */
export const isVm: GuardOf<Vm> = shapeOf<Vm>(vmGuards);

/** A VM that was stopped or killed. */
export const isEndedVm: GuardOf<EndedVm> = shapeOf<EndedVm>({
  ...vmGuards,
  ending: optional(shapeOf<NonNullable<EndedVm['ending']>>({ synced: isTruth, reason: optional(isText) })),
});

/** Answer of `GET /v1/vms`. */
export const isVmList: GuardOf<{ vms: Vm[] }> = shapeOf<{ vms: Vm[] }>({ vms: listOf(isVm) });

/** Result of a fork. */
export const isForkedVms: GuardOf<ForkedVms> = shapeOf<ForkedVms>({ vms: listOf(isVm), pausedMs: isNumber });
