import { z } from 'zod';
import * as schemas from '../../src/protocol/schemas.ts';

// What commands print with `--json`: `docs/cli.md` is made from it, and `test/integration/cli/every-option.test.ts` holds the real output against it.

const count = z.int().nonnegative();
const exit = z.union([z.object({ code: z.int() }), z.object({ signal: z.string(), number: z.int() })]);

const span = z.object({ stage: z.string(), ms: z.number().nonnegative().describe('milliseconds') });
const spans = z
  .array(span)
  .exactOptional()
  .describe('with --timings: where the time went, in milliseconds that add up to the whole');

const vmResult = z.union([
  z.object({ ref: z.string().describe('as it was given'), outcome: z.string(), vm: schemas.vm, spans }),
  z.object({ ref: z.string().describe('as it was given'), error: schemas.errorBody }),
]);

const runReport = z.object({
  vm: schemas.vm,
  exit: exit.exactOptional().describe('how the command ended; absent with --detach'),
  exitStatus: z.int().describe('as that of banger itself'),
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
  vm: schemas.vm,
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
  checks: z.array(schemas.doctorCheck),
  fixed: z.array(z.string()).exactOptional().describe('what was removed, with --fix'),
});

/** Values that are the same in the output of several commands, by name. */
export const NAMED_SHAPES: Readonly<Record<string, z.ZodType>> = {
  Vm: schemas.vm,
  VmResult: vmResult,
  RunReport: runReport,
  DryRun: dryRun,
  PreparedWorkspace: schemas.preparedWorkspace,
  Image: schemas.image,
  Kernel: schemas.kernel,
  DaemonStatus: schemas.daemonStatus,
  ForkedVms: schemas.forkedVms,
  Snapshot: schemas.snapshot,
  Template: schemas.template,
  Operation: schemas.operation,
  Span: span,
  Check: schemas.doctorCheck,
  Error: schemas.errorBody,
};

const deleted = z.object({ name: z.string(), outcome: z.literal('deleted') });
const stopped = z.object({ outcome: z.enum(['stopped', 'not running']) });
const daemonStatus = z.union([
  z.object({ isRunning: z.literal(false) }),
  z.intersection(z.object({ isRunning: z.literal(true) }), schemas.daemonStatus),
]);
const leftCreation = z.object({
  operation: z.string().describe('its id'),
  name: z.string().exactOptional().describe('of the VM'),
  spans,
});

/** What each command with `--json` prints, by the words after `banger`. */
export const JSON_OUTPUT: Readonly<Record<string, z.ZodType>> = {
  'vm run': z.union([runReport, dryRun]),
  'vm create': z.union([z.intersection(schemas.vm, z.object({ spans })), leftCreation]),
  'vm list': z.array(schemas.vm),
  'vm ps': z.array(schemas.vm),
  ps: z.array(schemas.vm),
  'vm show': schemas.vm,
  'vm exec': execReport,
  'vm cp': z.object({
    entries: count.describe('files, directories and links'),
    bytes: count.describe("of the files' content"),
    skipped: count.describe('sockets, devices and pipes that were left out'),
  }),
  'vm ports': z.array(schemas.vmPorts),
  'vm stats': schemas.vmStats,
  'vm start': z.array(vmResult),
  'vm stop': z.array(vmResult),
  'vm suspend': z.array(vmResult),
  'vm resume': z.array(vmResult),
  'vm fork': z.intersection(schemas.forkedVms, z.object({ spans })),
  'vm snapshot create': schemas.snapshot,
  'vm snapshot list': z.array(schemas.snapshot),
  'vm snapshot restore': schemas.vm,
  'vm restart': z.array(vmResult),
  'vm kill': z.array(vmResult),
  'vm wait': z.array(vmResult),
  'vm set': z.array(vmResult),
  'vm delete': z.array(vmResult),
  'vm prune': z.array(vmResult),
  'vm rename': schemas.vm,
  'vm workspace prepare': z.union([schemas.preparedWorkspace, dryRun]),
  'vm workspace export': z.object({
    guestPath: z.string().describe('the repository in the guest'),
    output: z.string().describe('the file'),
    bytes: count,
  }),
  'image build': schemas.image,
  'image list': z.array(schemas.image),
  'image show': schemas.image,
  'image delete': deleted,
  'kernel list': z.array(schemas.kernel),
  'template list': z.array(schemas.template),
  'template show': schemas.template,
  'template delete': deleted,
  'template prune': z.array(z.string()).describe('keys'),
  'operations list': z.array(schemas.operation),
  'operations follow': z.unknown().describe('the result of the operation'),
  'operations cancel': schemas.operation,
  'daemon status': daemonStatus,
  'daemon stop': stopped,
  'daemon socket': z.object({ socketPath: z.string() }),
  doctor: doctorReport,
  version: z.object({ version: z.string(), commit: z.string(), builtAt: z.string() }),
};
