import { z } from 'zod';
import { type EndedVm, VM_STATES, type Vm, WAIT_CONDITIONS } from '../vm.ts';
import { VMM_SIGNALS } from '../vmm-signal.ts';
import { type Exact, shape, time, vmShape } from './common-schemas.ts';
import type {
  CreateVmRequest,
  ForkedVms,
  ForkVmRequest,
  KillVmRequest,
  RenameVmRequest,
  SetVmRequest,
  StartVmRequest,
  WaitForVmRequest,
} from './vm-requests.ts';

/** Body of `POST /v1/vms`. */
export const createVmRequest = z.strictObject({
  name: z.string().exactOptional(),
  image: z.string().min(1).exactOptional(),
  vcpuCount: shape.vcpuCount.exactOptional(),
  memoryMib: shape.memoryMib.exactOptional(),
  diskSizeBytes: shape.diskSizeBytes.exactOptional(),
  systemOverlaySizeBytes: shape.systemOverlaySizeBytes.exactOptional(),
  nat: z.boolean().exactOptional(),
  noStart: z.boolean().exactOptional(),
  cold: z.boolean().exactOptional(),
  ephemeral: z.boolean().exactOptional(),
  keepFailed: z.boolean().exactOptional(),
}) satisfies Exact<CreateVmRequest>;

/** Body of `POST /v1/vms/REF/start`. */
export const startVmRequest = z.strictObject({
  cold: z.boolean().exactOptional(),
  onlyResume: z.boolean().exactOptional(),
}) satisfies Exact<StartVmRequest>;

/** Body of `POST /v1/vms/REF/kill`. */
export const killVmRequest = z.strictObject({
  signal: z.enum(VMM_SIGNALS).exactOptional(),
}) satisfies Exact<KillVmRequest>;

/** Body of `POST /v1/vms/REF/set`. */
export const setVmRequest = z.strictObject({
  vcpuCount: shape.vcpuCount.exactOptional(),
  memoryMib: shape.memoryMib.exactOptional(),
  diskSizeBytes: shape.diskSizeBytes.exactOptional(),
  nat: z.boolean().exactOptional(),
}) satisfies Exact<SetVmRequest>;

/** Body of `POST /v1/vms/REF/rename`. */
export const renameVmRequest = z.strictObject({ name: z.string() }) satisfies Exact<RenameVmRequest>;

/** Longest wait, in `ms`: what a timer can hold. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Body of `POST /v1/vms/REF/wait`. */
export const waitForVmRequest = z.strictObject({
  until: z.enum(WAIT_CONDITIONS),
  timeoutMs: z.int().positive().max(MAX_TIMEOUT_MS).describe('ms').exactOptional(),
}) satisfies Exact<WaitForVmRequest>;

/** Body of `POST /v1/vms/REF/fork`. */
export const forkVmRequest = z.strictObject({
  names: z.array(z.string()).exactOptional(),
  count: z.int().exactOptional(),
  ephemeral: z.boolean().exactOptional(),
}) satisfies Exact<ForkVmRequest>;

const vmFields = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum(VM_STATES),
  image: z.string(),
  shape: vmShape,
  nat: z.boolean().describe('the guest may open connections to the outside'),
  ephemeral: z.boolean().describe('deleted when the client that made it goes away'),
  workspace: z
    .object({
      guestPath: z.string().describe('folder in the guest'),
      sourcePath: z.string().describe('the working tree on this host'),
      headCommit: z.string().exactOptional(),
      hostHeadCommit: z.string().exactOptional(),
    })
    .exactOptional(),
  runtime: z
    .object({ vmm: z.string(), accelerator: z.enum(['kvm', 'tcg']), pid: z.int(), startedAt: time })
    .exactOptional(),
  lastError: z.object({ code: z.string(), message: z.string() }).exactOptional(),
  createdAt: time,
  updatedAt: time,
});

/** A VM. */
export const vm: Exact<Vm> = vmFields;

/** A VM that was stopped or killed. */
export const endedVm: Exact<EndedVm> = vmFields.extend({
  ending: z
    .object({
      synced: z.boolean().describe('the guest wrote its data before it was ended'),
      reason: z.string().describe('why it did not').exactOptional(),
    })
    .exactOptional(),
});

/** Forks that were made. */
export const forkedVms: Exact<ForkedVms> = z.object({ vms: z.array(vm), pausedMs: z.number() });
