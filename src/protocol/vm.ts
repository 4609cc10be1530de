import { extensibleOneOf, integer, list, object, optional, text, truth } from '../base/json-schema/build.ts';
import type { ValueOf } from '../base/json-schema/schema.ts';
import { time } from './api/common.ts';
import { imageConfig } from './image/image-config.ts';

/**
 * The states of a VM. `creating` and the other `-ing` states are intents: when a daemon starts and finds a VM
 * in one, it finishes or undoes that step. `error`: the last start failed; the drives are intact.
 */
export const VM_STATES = [
  'creating',
  'created',
  'starting',
  'running',
  'stopping',
  'stopped',
  'suspending',
  'suspended',
  'resuming',
  'deleting',
  'error',
] as const;
export type VmState = (typeof VM_STATES)[number];

/**
 * States in which no VMM runs and no operation is in progress: the shape can be changed, and `vm prune`
 * deletes the VM.
 */
export const RESTING_STATES: readonly VmState[] = ['created', 'stopped', 'error'];

/**
 * What a client can wait for. `ready`: the VM runs and its agent answers; `stopped`: any of
 * {@link RESTING_STATES}.
 */
export const WAIT_CONDITIONS = ['running', 'ready', 'stopped', 'deleted'] as const;
export type WaitCondition = (typeof WAIT_CONDITIONS)[number];

/** How the VMM runs guest code: the host's CPU directly, or QEMU's emulation. */
export const ACCELERATORS = ['kvm', 'tcg'] as const;
export type Accelerator = (typeof ACCELERATORS)[number];

/** The fields of a shape; the core knows their limits. */
export const shapeFields = {
  vcpuCount: integer(),
  memoryMib: integer('MiB'),
  diskSizeBytes: integer(
    'bytes of the work disk, which is mounted at `/root` and, with a `user`, at that home',
  ),
  systemOverlaySizeBytes: integer('bytes that are free on the root file system, beyond the image'),
};

/** Shape of a VM: everything that decides which warm template fits. */
export const vmShape = object(shapeFields);
export type VmShape = ValueOf<typeof vmShape>;

const workspace = object({
  guestPath: text('folder in the guest'),
  sourcePath: text('the working tree on this host'),
  headCommit: optional(text('absent in a repository without commits')),
  hostHeadCommit: optional(
    text('current HEAD of `sourcePath`; only when requested, and absent if there is none'),
  ),
  isStale: optional(
    truth('`sourcePath` differs now from what was copied: HEAD or files; only when asked for'),
  ),
  sentCommit: optional(
    text('the tree that was copied, as `refs/banger/sent` of the guest; absent when it is not known'),
  ),
  includesUntracked: optional(truth('untracked files were copied too')),
  isFromBase: optional(truth('the VM began with it on its work disk, and no copy has ended since')),
  excludesSubmodules: optional(truth('the folders of submodules were left empty')),
});

/** The git working tree that was last copied into a VM. */
export type VmWorkspace = ValueOf<typeof workspace>;

/** A port that a user forwards: of 127.0.0.1 and the VM's address to the guest, or the other way. */
export const vmForward = object({
  hostPort: integer(),
  guestPort: integer(),
  isReverse: optional(truth("`guestPort` of the guest's 127.0.0.1 leads to `hostPort` of the host's")),
});
export type VmForward = ValueOf<typeof vmForward>;

/** What a guest's network interface is connected to. */
export const NETWORK_MODES = ['none', 'user'] as const;

const policyRule = object({
  rule: text(),
  from: optional(text('the preset that it came from, like `@npm`')),
});

/** The rules of a VM's network, and what they stand for. */
export const vmPolicy = object(
  {
    allow: list(text(), 'rules and presets, as they were given'),
    rules: list(policyRule, 'what these stood for on this host when they were given'),
  },
  'the guest reaches only what a rule allows; absent: everything outside the host',
);

/** The rules of a VM's network. */
export type VmPolicy = ValueOf<typeof vmPolicy>;

const vmSecret = object({
  name: text('the variable of the guest'),
  source: text('where its value is on this host, such as `env:TOKEN`'),
  host: text('the only server that gets the value'),
  port: integer(),
  placeholder: text('the value of the variable in the guest'),
});

/** A secret that a guest can use and not read. */
export type VmSecret = ValueOf<typeof vmSecret>;

const vmNetwork = object(
  {
    mode: extensibleOneOf(NETWORK_MODES, '`user`: the guest may open connections to the outside'),
    policy: optional(vmPolicy),
    secrets: optional(list(vmSecret, 'never with their values')),
    authority: optional(
      text('names the authority of its secrets, which the guest trusts; forks have the same'),
    ),
  },
  'absent in answers of earlier versions, which have only `nat`',
);

/** The network of a VM. */
export type VmNetwork = ValueOf<typeof vmNetwork>;

const vmFields = {
  id: text(),
  name: text(),
  state: extensibleOneOf(VM_STATES),
  image: text(),
  arch: optional(
    extensibleOneOf(
      ['amd64', 'arm64'],
      "of the guest; absent for VMs of earlier versions, which have the host's",
    ),
  ),
  vmm: optional(text('the VMM that runs it; absent when its record is damaged')),
  imageConfig: optional(imageConfig),
  user: optional(
    text(
      'the user to whom commands, the working tree and logins belong; absent: root, or what the image says',
    ),
  ),
  shape: vmShape,
  network: optional(vmNetwork),
  nat: truth("the network's mode is `user`: the guest may open connections to the outside"),
  guest_ip: optional(
    text("the VM's own address on the loopback of the daemon's host; absent when its record is damaged"),
  ),
  web_url: optional(
    text(
      'where its first web server is on the host; only in the answer about one VM that is running or suspended, while the web gateway listens',
    ),
  ),
  forwards: optional(list(vmForward, 'explicit ones, on 127.0.0.1 and `guest_ip` of the host')),
  ephemeral: truth('deleted when the client that created it goes away (`--rm`)'),
  purpose: optional(extensibleOneOf(['builder'], 'what banger itself uses the VM for; absent: it is yours')),
  workspace: optional(workspace),
  runtime: optional(
    object(
      { vmm: text(), accelerator: extensibleOneOf(ACCELERATORS), pid: integer(), startedAt: time() },
      'present while a VMM runs',
    ),
  ),
  lastError: optional(object({ code: text(), message: text() })),
  createdAt: time(),
  updatedAt: time(),
};

/** A VM as the API shows it (`banger vm show`). Fields are added, never changed. */
export const vm = object(vmFields);
export type Vm = ValueOf<typeof vm>;

/** A VM that was stopped or killed. */
export const endedVm = object({
  ...vmFields,
  ending: optional(
    object(
      {
        synced: truth('the guest wrote its data before it was ended'),
        reason: optional(text('why the guest did not write its data')),
      },
      'absent when the VM was not running',
    ),
  ),
});
export type EndedVm = ValueOf<typeof endedVm>;
