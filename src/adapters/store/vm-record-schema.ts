import * as z from 'zod';
import type { VmRecord } from '../../core/ports/records.ts';
import { storedNetwork } from '../../protocol/egress/network-schema.ts';
import { USER_NAME } from '../../protocol/guest-user.ts';
import { savedBy, savedGuestKind } from '../../protocol/saved-by-schema.ts';
import { VM_STATES, type VmShape } from '../../protocol/vm.ts';

/** A schema for each field of `T`: a missing one does not compile. */
type FieldsOf<T> = { [K in keyof Required<T>]: z.ZodType };

const driveBase = z.looseObject({
  pathOnHost: z.string().startsWith('/'),
  sizeBytes: z.int().positive(),
});

const drive = z.looseObject({
  serial: z.enum(['root', 'overlay', 'work', 'modules']),
  pathOnHost: z.string().startsWith('/'),
  format: z.enum(['raw', 'qcow2']),
  isReadOnly: z.boolean(),
  sizeBytes: z.int().nonnegative(),
  base: driveBase.exactOptional(),
});

const vmShape = z.strictObject({
  vcpuCount: z.int(),
  memoryMib: z.int(),
  diskSizeBytes: z.int(),
  systemOverlaySizeBytes: z.int(),
}) satisfies z.ZodType<VmShape>;

const fields = {
  id: z.string().min(1),
  name: z.string().min(1),
  state: z.enum(VM_STATES),
  imageName: z.string(),
  imageId: z.string(),
  kernelName: z.string(),
  arch: z.enum(['amd64', 'arm64']).exactOptional(),
  imageConfig: z
    .looseObject({
      env: z.array(z.string()).exactOptional(),
      entrypoint: z.array(z.string()).exactOptional(),
      cmd: z.array(z.string()).exactOptional(),
      user: z.string().exactOptional(),
      workingDir: z.string().exactOptional(),
    })
    .exactOptional(),
  user: z.string().regex(new RegExp(USER_NAME)).exactOptional(),
  shape: vmShape,
  network: storedNetwork,
  proxyPorts: z.array(z.int()).readonly().exactOptional(),
  guestIp: z.ipv4().exactOptional(),
  ephemeral: z.boolean(),
  purpose: z.literal('builder').exactOptional(),
  driverName: z.string(),
  drives: z.array(drive).readonly().exactOptional(),
  workBase: driveBase.exactOptional(),
  runtime: z
    .looseObject({
      vmm: z.looseObject({ pid: z.int().positive(), startTicks: z.number() }),
      accelerator: z.enum(['kvm', 'tcg']),
      startedAt: z.string(),
      savedGuestKind: savedGuestKind.exactOptional(),
    })
    .exactOptional(),
  workspace: z
    .looseObject({
      guestPath: z.string(),
      sourcePath: z.string(),
      headCommit: z.string().exactOptional(),
      hostHeadCommit: z.string().exactOptional(),
      isStale: z.boolean().exactOptional(),
      sentCommit: z.string().exactOptional(),
      includesUntracked: z.boolean().exactOptional(),
      isFromBase: z.boolean().exactOptional(),
    })
    .exactOptional(),
  copying: z.looseObject({ guestPath: z.string(), isFirst: z.literal(true).exactOptional() }).exactOptional(),
  unsyncedIn: z.string().exactOptional(),
  forwards: z
    .array(z.looseObject({ hostPort: z.int(), guestPort: z.int(), isReverse: z.boolean().exactOptional() }))
    .readonly()
    .exactOptional(),
  listeningPorts: z.array(z.int()).readonly().exactOptional(),
  savedBy: savedBy.exactOptional(),
  hasSecondVmm: z.literal(true).exactOptional(),
  lastError: z.looseObject({ code: z.string(), message: z.string() }).exactOptional(),
  createdAt: z.string(),
  updatedAt: z.string(),
} satisfies FieldsOf<VmRecord>;

/** Keeps unknown fields: a later version of banger with the same database schema may have added them. */
const vmRecord: z.ZodType<VmRecord> = z.looseObject(fields);

/** Parses any text; returns the record, or what is wrong with it, for people. */
export function parseVmRecord(text: string): { record: VmRecord } | { problem: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { problem: 'it is not valid JSON' };
    throw error;
  }
  const { data, error } = vmRecord.safeParse(value);
  if (data) return { record: data };
  const [issue] = error.issues;
  const field = issue?.path.join('.') ?? '';
  return { problem: field === '' ? 'it is not a VM record' : `its field "${field}" is missing or wrong` };
}
