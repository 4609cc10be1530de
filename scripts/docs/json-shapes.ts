import {
  allOf,
  anyOf,
  anything,
  constant,
  count,
  integer,
  list,
  number,
  object,
  oneOf,
  optional,
  text,
  truth,
} from '../../src/base/json-schema/build.ts';
import type { JsonSchema } from '../../src/base/json-schema/schema.ts';
import { RESOLVER_KINDS } from '../../src/cli/dns/resolvers.ts';
import { CELL_OUTCOMES } from '../../src/cli/vm/matrix/results.ts';
import { daemonStatus, doctorCheck } from '../../src/protocol/api/daemon.ts';
import { image, prunedImages } from '../../src/protocol/api/image.ts';
import { exportedImage, pushedImage } from '../../src/protocol/api/image-outlet.ts';
import { imageDiskUsage, prunedCache } from '../../src/protocol/api/image-space.ts';
import { job } from '../../src/protocol/api/jobs.ts';
import { availableKernel, kernel, shownKernel } from '../../src/protocol/api/kernel.ts';
import { nameServers } from '../../src/protocol/api/names.ts';
import { learnedRules, networkLogEntry, networkVerdict } from '../../src/protocol/api/network.ts';
import { operation } from '../../src/protocol/api/operation.ts';
import { snapshot } from '../../src/protocol/api/snapshot.ts';
import { template } from '../../src/protocol/api/template.ts';
import { forkedVms } from '../../src/protocol/api/vm-requests.ts';
import { preparedWorkspace } from '../../src/protocol/api/workspace.ts';
import { workspaceBase } from '../../src/protocol/api/workspace-base.ts';
import { pulledBranch, pulledWorkspace, undonePull } from '../../src/protocol/api/workspace-pull.ts';
import { errorBody } from '../../src/protocol/events.ts';
import { imageConfig } from '../../src/protocol/image/image-config.ts';
import { ARCHS } from '../../src/protocol/image/platform.ts';
import { vmNetworkState, vmPorts, vmStats } from '../../src/protocol/usage.ts';
import { vm } from '../../src/protocol/vm.ts';
import { exit, jobLog } from './job-shapes.ts';
import { repositoryNetwork } from './repository-shapes.ts';

// What commands print with `--json`. `docs/cli.md` is generated from it, and
// `test/integration/cli/every-option.test.ts` compares it with the real output.

const exitStatus = integer('as that of banger itself');

const span = object({ stage: text(), ms: number('milliseconds') });
const spans = optional(
  list(span, 'with --timings: where the time went, in milliseconds that add up to the whole'),
);

const ref = text('as it was given');
const commit = object({ id: text(), subject: text('first line of its message') });
const vmResult = anyOf(
  object({
    ref,
    outcome: text(),
    vm,
    synced: optional(truth('of stop and kill: the guest wrote its data before it was ended')),
    reason: optional(text('why the guest did not write its data')),
    spans,
  }),
  object({ ref, error: errorBody }),
);

const runReport = object({
  vm,
  exit: optional({ ...exit, description: 'how the command ended; absent with --detach' }),
  exitStatus,
  toolingError: optional(text('why tools could not be installed')),
  out: optional(
    object(
      {
        dir: text('absolute'),
        entries: count('files, folders and links'),
        bytes: count(),
        unmatched: list(text(), 'patterns that match nothing'),
      },
      'with --out, when files were copied',
    ),
  ),
  outError: optional(text('why files could not be copied out; the VM stays then, also with --rm')),
  timings: object(
    {
      createMs: count(),
      workspaceMs: optional(count()),
      toolingMs: optional(count()),
      waitMs: optional(count()),
      commandMs: optional(count()),
      totalMs: count(),
    },
    'milliseconds of each part',
  ),
  repositoryNetwork,
  isDeleted: truth('--rm has deleted it'),
  spans,
});

const execReport = anyOf(object({ vm, exit, exitStatus, spans }), { ...job, description: 'with --detach' });

const dryRun = object({
  mode: oneOf(['tracked only', 'tracked and untracked']),
  repoRoot: text('top of the working tree'),
  files: list(text(), 'what would be sent, below repoRoot'),
  trackedCount: count(),
  untrackedCount: count(),
  repositoryNetwork,
  spans,
});

const availableImage = object({
  name: text(),
  arch: oneOf(ARCHS),
  distro: text('empty when it is not known'),
  sizeBytes: count('bytes to download'),
  isHere: truth('an image was made of it'),
  description: text(),
});

const doctorReport = object({
  checks: list(doctorCheck),
  fixed: optional(list(text(), 'what was removed, with --fix')),
});

const systemChanges = {
  isDryRun: truth('nothing was changed'),
  steps: list(
    object({
      kind: oneOf(['write', 'copy', 'link', 'remove', 'tidy', 'run']),
      path: optional(text('the file or folder')),
      content: optional(text('of a file that is written')),
      target: optional(text('of a link')),
      parts: optional(list(object({ from: text(), to: text() }), 'what is copied')),
      argv: optional(list(text(), 'a command that is run')),
      mayFail: optional(truth('the command may fail')),
    }),
    'what is done, in this order',
  ),
};

/** Values that several commands print, by name. */
export const NAMED_SHAPES: Readonly<Record<string, JsonSchema>> = {
  Vm: vm,
  VmResult: vmResult,
  RunReport: runReport,
  DryRun: dryRun,
  PreparedWorkspace: preparedWorkspace,
  Image: image,
  Kernel: kernel,
  ImageConfig: imageConfig,
  PrunedImages: prunedImages,
  DaemonStatus: daemonStatus,
  ForkedVms: forkedVms,
  Snapshot: snapshot,
  Template: template,
  WorkspaceBase: workspaceBase,
  Operation: operation,
  Span: span,
  Check: doctorCheck,
  Error: errorBody,
};

const deleted = object({ name: text(), outcome: constant('deleted') });
const stopped = object({ outcome: oneOf(['stopped', 'not running']) });
const statusOutput = anyOf(
  object({ isRunning: constant(false) }),
  allOf(object({ isRunning: constant(true) }), daemonStatus),
);
const leftCreation = object({ operation: text('its id'), name: optional(text('of the VM')), spans });

const dropInChanges = list(
  object({ path: text(), change: oneOf(['written', 'replaced', 'unchanged', 'removed', 'absent']) }),
  'what was done to each file, or with --dry-run would be',
);

/** What each command with `--json` prints, by the words after `banger`. */
export const JSON_OUTPUT: Readonly<Record<string, JsonSchema>> = {
  'vm run': anyOf(runReport, dryRun),
  'devcontainer check': object({
    file: text('on this host'),
    canRun: truth('no key is refused'),
    image: optional(text('what the VM boots, unless a Dockerfile is built')),
    build: optional(object({ dockerfile: text(), context: text(), target: optional(text()) })),
    workspaceFolder: text('folder in the guest in which commands start'),
    remoteUser: optional(text('absent: that of the image')),
    forwardPorts: list(integer()),
    withheldEnv: list(text(), 'variables of this shell that it asks for and does not get'),
    keys: list(
      object({
        key: text(),
        status: oneOf(['taken', 'overridden', 'not supported', 'refused']),
        note: text(),
      }),
    ),
  }),
  'vm create': anyOf(allOf(vm, object({ spans })), leftCreation),
  'vm list': list(vm),
  'vm show': vm,
  'vm exec': execReport,
  'vm jobs': list(job),
  'vm job logs': jobLog,
  'vm job kill': job,
  'vm cp': object({
    entries: count('files, directories and links'),
    bytes: count("of the files' content"),
    skipped: count('sockets, devices and pipes that were left out'),
    leftOut: list(
      object({
        path: text('below the target'),
        why: oneOf(
          ['hook', 'settings', 'git-folder', 'bare-repository'],
          'what it is: git could run programs through it',
        ),
        settings: optional(list(text(), 'those of a configuration of which the others were copied')),
      }),
      'what was not copied out of the VM without `--all`; the first hundred',
    ),
    leftOutCount: count('how many of them there are'),
  }),
  'vm port': vm,
  'vm ports': list(vmPorts),
  'vm stats': vmStats,
  'vm network': vmNetworkState,
  'vm network check': networkVerdict,
  'vm network log': list(networkLogEntry),
  'vm network learn': learnedRules,
  'vm start': list(vmResult),
  'vm stop': list(vmResult),
  'vm suspend': list(vmResult),
  'vm resume': list(vmResult),
  'vm fork': allOf(forkedVms, object({ spans })),
  'vm matrix': object({
    source: text('name of the VM'),
    logs: text('folder of the logs'),
    counts: object(Object.fromEntries(CELL_OUTCOMES.map((outcome) => [outcome, count()]))),
    cells: list(
      object({
        index: count(),
        values: anything('the value of each variable, by its name'),
        outcome: oneOf(CELL_OUTCOMES),
        exitStatus: optional(integer('128 + n for signal n')),
        durationMs: count('milliseconds of the command'),
        log: optional(text('path')),
        vm: optional(text('name of the fork, when it was kept')),
        error: optional(text('why banger could not run it')),
      }),
    ),
  }),
  'vm bisect': object({
    source: text('name of the VM'),
    logs: text('folder of the logs'),
    firstBad: optional(commit),
    candidates: optional(list(commit, 'the first bad commit is one of them: the others cannot be tested')),
    tested: list(
      object({
        commit: text('id'),
        subject: text(),
        verdict: oneOf(['good', 'bad', 'skipped']),
        exitStatus: integer(),
        durationMs: count('milliseconds of the command'),
        log: text('path'),
      }),
    ),
  }),
  'vm snapshot create': snapshot,
  'vm snapshot list': list(snapshot),
  'vm snapshot restore': vm,
  'vm restart': list(vmResult),
  'vm kill': list(vmResult),
  'vm wait': list(vmResult),
  'vm set': list(vmResult),
  'vm delete': list(vmResult),
  'vm prune': list(vmResult),
  'vm rename': vm,
  'vm workspace prepare': anyOf(preparedWorkspace, dryRun),
  'vm workspace sync': preparedWorkspace,
  'vm workspace pull': anyOf(pulledWorkspace, undonePull, pulledBranch),
  'vm workspace diff': list(
    object({
      path: text('below the top of the repository'),
      status: oneOf(['added', 'modified', 'deleted', 'type changed']),
      oldMode: optional(text('six octal digits; absent for a file that was added')),
      newMode: optional(text('absent for a file that was deleted')),
      insertions: count('lines'),
      deletions: count('lines'),
      isBinary: truth(),
    }),
  ),
  'vm workspace export': object({
    guestPath: text('the repository in the guest'),
    output: text('the file'),
    bytes: count(),
  }),
  'image build': image,
  'image pull': image,
  'image import': image,
  'image register': image,
  'image promote': image,
  'image df': imageDiskUsage,
  'image cache prune': prunedCache,
  'image commit': image,
  'image export': exportedImage,
  'image push': pushedImage,
  'image prune': prunedImages,
  'image list': anyOf(list(image), list(availableImage)),
  'image show': image,
  'image delete': deleted,
  'kernel list': anyOf(list(kernel), list(availableKernel)),
  'kernel show': shownKernel,
  'kernel pull': kernel,
  'kernel import': kernel,
  'kernel rm': deleted,
  'template list': list(template),
  'template show': template,
  'template delete': deleted,
  'template prune': list(text(), 'keys'),
  'workspace cache list': list(workspaceBase),
  'workspace cache prune': list(workspaceBase),
  'operations list': list(operation),
  'operations follow': anything('the result of the operation'),
  'operations cancel': operation,
  'daemon status': statusOutput,
  'daemon stop': stopped,
  'daemon socket': object({ socketPath: text() }),
  'dns status': allOf(
    nameServers,
    object({
      resolvesNow: truth('programs of this host find `NAME.vm`'),
      host: object({
        nameservers: list(text(), 'of /etc/resolv.conf'),
        resolvConf: optional(text('where /etc/resolv.conf leads')),
        found: object(
          Object.fromEntries(RESOLVER_KINDS.map((kind) => [kind, oneOf(['running', 'installed', 'absent'])])),
        ),
        asked: optional(
          oneOf(RESOLVER_KINDS, 'the resolver that programs ask; absent: servers of the network'),
        ),
      }),
      hindrance: optional(
        object({
          path: text('the file that keeps systemd-resolved from asking the server'),
          line: text('its line'),
          reason: text('what would happen'),
          remedy: text('what to do first'),
        }),
      ),
      setups: list(
        object({
          kind: oneOf(RESOLVER_KINDS),
          dropIns: list(object({ path: text(), content: text() }), 'the files that it needs'),
          reload: text('the command that makes it read them'),
        }),
      ),
    }),
  ),
  'dns install': object({
    resolver: oneOf(RESOLVER_KINDS),
    server: object({ address: text(), port: integer() }),
    changes: dropInChanges,
    reload: text('the command that makes the resolver read the files'),
  }),
  'dns uninstall': object({
    changes: dropInChanges,
    reloads: list(text(), 'the commands that make resolvers notice'),
  }),
  'system install': object({ owner: text(), ...systemChanges }),
  'system status': object({
    isInstalled: truth('banger system install has made services of this host'),
    active: optional(text('state of the service of the daemon, as systemd names it')),
    helper_active: optional(text('state of the service of the helper')),
    helper_socket_active: optional(text('state of the unit of its socket')),
    helper_version: optional(text('its version, when it answers this user')),
    owner: optional(text('the user whose VMs they are')),
    version: optional(text('of the installed release')),
    installed_at: optional(text()),
    socket: optional(text('of the daemon')),
    helper_socket: optional(text()),
    config: optional(text('the configuration file of the service')),
  }),
  'system restart': object(systemChanges),
  'system uninstall': object(systemChanges),
  'ssh-config': object({
    path: text("banger's own ssh configuration"),
    include: text('the line that includes it'),
    userConfig: text("the user's ssh configuration"),
    isInstalled: truth("the user's ssh configuration includes it now"),
    isChanged: truth('a file was changed'),
  }),
  doctor: doctorReport,
  update: object({
    outcome: oneOf(['available', 'up-to-date', 'dry-run', 'updated']),
    installed: text('the version before'),
    version: text('the release that was asked for, or the latest'),
  }),
  version: object({ version: text(), commit: text(), builtAt: text() }),
};
