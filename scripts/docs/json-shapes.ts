import { z } from 'zod';
import * as daemonSchemas from '../../src/protocol/api/daemon-schemas.ts';
import * as imageSchemas from '../../src/protocol/api/image-schemas.ts';
import * as operationSchemas from '../../src/protocol/api/operation-schemas.ts';
import * as snapshotSchemas from '../../src/protocol/api/snapshot-schemas.ts';
import * as templateSchemas from '../../src/protocol/api/template-schemas.ts';
import * as usageSchemas from '../../src/protocol/api/usage-schemas.ts';
import * as vmSchemas from '../../src/protocol/api/vm-schemas.ts';
import * as workspaceSchemas from '../../src/protocol/api/workspace-schemas.ts';

// What commands print with `--json`: `docs/cli.md` is made from it, and
// `test/integration/cli/every-option.test.ts` holds the real output against it.

const count = z.int().nonnegative();
const exit = z.union([z.object({ code: z.int() }), z.object({ signal: z.string(), number: z.int() })]);

const span = z.object({ stage: z.string(), ms: z.number().nonnegative().describe('milliseconds') });
const spans = z
  .array(span)
  .exactOptional()
  .describe('with --timings: where the time went, in milliseconds that add up to the whole');

const vmResult = z.union([
  z.object({
    ref: z.string().describe('as it was given'),
    outcome: z.string(),
    vm: vmSchemas.vm,
    synced: z
      .boolean()
      .exactOptional()
      .describe('of stop and kill: the guest wrote its data before it was ended'),
    reason: z.string().exactOptional().describe('why it did not'),
    spans,
  }),
  z.object({ ref: z.string().describe('as it was given'), error: operationSchemas.errorBody }),
]);

const runReport = z.object({
  vm: vmSchemas.vm,
  exit: exit.exactOptional().describe('how the command ended; absent with --detach'),
  exitStatus: z.int().describe('as that of banger itself'),
  toolingError: z.string().exactOptional().describe('why tools could not be installed'),
  timings: z
    .object({
      createMs: count,
      workspaceMs: count.exactOptional(),
      toolingMs: count.exactOptional(),
      commandMs: count.exactOptional(),
      totalMs: count,
    })
    .describe('milliseconds of each part'),
  isDeleted: z.boolean().describe('--rm has deleted it'),
  spans,
});

const execReport = z.object({
  vm: vmSchemas.vm,
  exit,
  exitStatus: z.int().describe('as that of banger itself'),
  spans,
});

const dryRun = z.object({
  mode: z.enum(['tracked only', 'tracked and untracked']),
  repoRoot: z.string().describe('top of the working tree'),
  files: z.array(z.string()).describe('what would be sent, below repoRoot'),
  trackedCount: count,
  untrackedCount: count,
  spans,
});

const doctorReport = z.object({
  checks: z.array(daemonSchemas.doctorCheck),
  fixed: z.array(z.string()).exactOptional().describe('what was removed, with --fix'),
});

/** Values that are the same in the output of several commands, by name. */
export const NAMED_SHAPES: Readonly<Record<string, z.ZodType>> = {
  Vm: vmSchemas.vm,
  VmResult: vmResult,
  RunReport: runReport,
  DryRun: dryRun,
  PreparedWorkspace: workspaceSchemas.preparedWorkspace,
  Image: imageSchemas.image,
  Kernel: imageSchemas.kernel,
  DaemonStatus: daemonSchemas.daemonStatus,
  ForkedVms: vmSchemas.forkedVms,
  Snapshot: snapshotSchemas.snapshot,
  Template: templateSchemas.template,
  Operation: operationSchemas.operation,
  Span: span,
  Check: daemonSchemas.doctorCheck,
  Error: operationSchemas.errorBody,
};

const deleted = z.object({ name: z.string(), outcome: z.literal('deleted') });
const stopped = z.object({ outcome: z.enum(['stopped', 'not running']) });
const daemonStatus = z.union([
  z.object({ isRunning: z.literal(false) }),
  z.intersection(z.object({ isRunning: z.literal(true) }), daemonSchemas.daemonStatus),
]);
const leftCreation = z.object({
  operation: z.string().describe('its id'),
  name: z.string().exactOptional().describe('of the VM'),
  spans,
});

/** What each command with `--json` prints, by the words after `banger`. */
export const JSON_OUTPUT: Readonly<Record<string, z.ZodType>> = {
  'vm run': z.union([runReport, dryRun]),
  'vm create': z.union([z.intersection(vmSchemas.vm, z.object({ spans })), leftCreation]),
  'vm list': z.array(vmSchemas.vm),
  'vm ps': z.array(vmSchemas.vm),
  ps: z.array(vmSchemas.vm),
  'vm show': vmSchemas.vm,
  'vm exec': execReport,
  'vm cp': z.object({
    entries: count.describe('files, directories and links'),
    bytes: count.describe("of the files' content"),
    skipped: count.describe('sockets, devices and pipes that were left out'),
    leftOut: z
      .array(
        z.object({
          path: z.string().describe('below the target'),
          why: z
            .enum(['hook', 'settings', 'git-folder', 'bare-repository'])
            .describe('what it is: git could run programs through it'),
          settings: z
            .array(z.string())
            .exactOptional()
            .describe('those of a configuration of which the others were copied'),
        }),
      )
      .describe('what was not copied out of the VM without `--all`; the first hundred'),
    leftOutCount: count.describe('how many of them there are'),
  }),
  'vm ports': z.array(usageSchemas.vmPorts),
  'vm stats': usageSchemas.vmStats,
  'vm start': z.array(vmResult),
  'vm stop': z.array(vmResult),
  'vm suspend': z.array(vmResult),
  'vm resume': z.array(vmResult),
  'vm fork': z.intersection(vmSchemas.forkedVms, z.object({ spans })),
  'vm snapshot create': snapshotSchemas.snapshot,
  'vm snapshot list': z.array(snapshotSchemas.snapshot),
  'vm snapshot restore': vmSchemas.vm,
  'vm restart': z.array(vmResult),
  'vm kill': z.array(vmResult),
  'vm wait': z.array(vmResult),
  'vm set': z.array(vmResult),
  'vm delete': z.array(vmResult),
  'vm prune': z.array(vmResult),
  'vm rename': vmSchemas.vm,
  'vm workspace prepare': z.union([workspaceSchemas.preparedWorkspace, dryRun]),
  'vm workspace export': z.object({
    guestPath: z.string().describe('the repository in the guest'),
    output: z.string().describe('the file'),
    bytes: count,
  }),
  'image build': imageSchemas.image,
  'image list': z.array(imageSchemas.image),
  'image show': imageSchemas.image,
  'image delete': deleted,
  'kernel list': z.array(imageSchemas.kernel),
  'template list': z.array(templateSchemas.template),
  'template show': templateSchemas.template,
  'template delete': deleted,
  'template prune': z.array(z.string()).describe('keys'),
  'operations list': z.array(operationSchemas.operation),
  'operations follow': z.unknown().describe('the result of the operation'),
  'operations cancel': operationSchemas.operation,
  'daemon status': daemonStatus,
  'daemon stop': stopped,
  'daemon socket': z.object({ socketPath: z.string() }),
  doctor: doctorReport,
  version: z.object({ version: z.string(), commit: z.string(), builtAt: z.string() }),
};
