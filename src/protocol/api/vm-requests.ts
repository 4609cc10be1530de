import {
  closedObject,
  integer,
  list,
  number,
  object,
  oneOf,
  optional,
  someText,
  text,
  textLike,
  truth,
} from '../../base/json-schema/build.ts';
import type { Schema, ValueOf } from '../../base/json-schema/schema.ts';
import { USER_NAME } from '../guest-user.ts';
import { PLATFORMS } from '../image/platform.ts';
import { NETWORK_MODES, shapeFields, vm, WAIT_CONDITIONS } from '../vm.ts';
import { VMM_NAMES } from '../vmm/names.ts';
import { VMM_SIGNALS } from '../vmm-signal.ts';
import { flag, vmName } from './common.ts';

const portNumber = integer('from 1 to 65535', { minimum: 1, maximum: 65_535 });

const ephemeral = optional(
  truth(
    'the stream stays open after the result; when the client closes it or dies, what was made is deleted',
  ),
);

/** Query of `GET /v1/vms`. */
export const listVmsQuery = closedObject({ all: optional(flag('also VMs that are not running')) });
export type ListVmsQuery = ValueOf<typeof listVmsQuery>;

/** Answer of `GET /v1/vms`. */
export const vmList = object({ vms: list(vm) });

/** Query of `GET /v1/vms/REF`. */
export const showVmQuery = closedObject({
  host: optional(flag('also inspect the working tree that was copied to its workspace')),
});
export type ShowVmQuery = ValueOf<typeof showVmQuery>;

const ruleList = (description: string): Schema<string[]> =>
  list(text('such as `example.com:443` or `@npm`'), description);

const networkMode = oneOf(
  NETWORK_MODES,
  '`user`: the guest may open connections to the outside; takes effect at once in a running VM',
);

const givenSecret = closedObject({
  secret: text('`NAME=SOURCE@HOST[:PORT]`'),
  value: optional(text('for the source `env`: the value of that variable of the client')),
});
/** A secret as a client gives it. */
export type GivenSecret = ValueOf<typeof givenSecret>;

const network = closedObject({
  mode: networkMode,
  policy: optional(closedObject({ allow: ruleList('the rules; without `policy`: everything outside') })),
  narrowTo: optional(
    ruleList('what a repository asks for: the guest reaches only what these allow, too; never more'),
  ),
  secrets: optional(list(givenSecret, 'secrets; their servers are allowed if there are rules')),
});

const networkChange = closedObject({
  mode: networkMode,
  policy: optional(
    closedObject({
      allow: optional(ruleList('the rules, instead of those of before')),
      add: optional(ruleList('rules to add')),
      remove: optional(ruleList('rules to take away')),
      lift: optional(truth('allow everything outside')),
    }),
  ),
  secretChange: optional(
    closedObject({
      add: optional(list(givenSecret, 'secrets to add, or to give again')),
      remove: optional(list(text(), 'names of secrets to take away')),
    }),
  ),
});

/** Body of `POST /v1/vms`. */
export const createVmRequest = closedObject({
  name: optional(text()),
  image: optional(someText('a name or a reference; built or pulled if it is missing')),
  platform: optional(
    oneOf(PLATFORMS, "default: the one that the image's name says, or this host's; others are emulated"),
  ),
  kernel: optional(
    someText('name of a kernel of the store; default: the one that the image brings, or the newest'),
  ),
  vmm: optional(
    oneOf(VMM_NAMES, 'the VMM that runs it, for its whole life; default: the first that works here and fits'),
  ),
  vcpuCount: optional(shapeFields.vcpuCount),
  memoryMib: optional(shapeFields.memoryMib),
  diskSizeBytes: optional(shapeFields.diskSizeBytes),
  systemOverlaySizeBytes: optional(shapeFields.systemOverlaySizeBytes),
  network: optional(network),
  nat: optional(truth('short for `network` with the mode `user`, or `none`; default: false')),
  user: optional(
    textLike(
      USER_NAME,
      'the user to whom commands, the working tree and logins belong, made when the guest has none of that name; default: root',
    ),
  ),
  exposeHost: optional(
    list(
      integer('', { minimum: 1, maximum: 65_535 }),
      "ports of this host's 127.0.0.1 that the guest reaches as its own",
    ),
  ),
  env: optional(
    list(
      textLike('^[A-Za-z_][A-Za-z0-9_]*=[^\\0]*$', '`NAME=value`'),
      'variables of every command in the guest, over those of its image',
    ),
  ),
  noStart: optional(truth('do not start the VM')),
  packId: optional(
    text(
      "id of a pack: the VM starts from a base image of that working tree, if it can, and has it in `repo` of its user's home; copying it then sends only what has changed",
    ),
  ),
  cold: optional(truth('boot the VM even if a warm template fits')),
  ephemeral,
  keepFailed: optional(
    truth(
      'if the guest is not ready in time, keep the VM in state `error`, so that its console can be read; default: false',
    ),
  ),
});
export type CreateVmRequest = ValueOf<typeof createVmRequest>;

/** Body of `POST /v1/vms/REF/start`. */
export const startVmRequest = closedObject({
  cold: optional(truth('boot the VM even if a warm template fits; a suspended VM loses its memory')),
  onlyResume: optional(truth('refuse a VM that is neither suspended nor running')),
});
export type StartVmRequest = ValueOf<typeof startVmRequest>;

/** Body of `POST /v1/vms/REF/kill`. */
export const killVmRequest = closedObject({
  signal: optional(oneOf(VMM_SIGNALS, 'sent to the VMM first; default: the one that makes it exit cleanly')),
});
export type KillVmRequest = ValueOf<typeof killVmRequest>;

/** Body of `POST /v1/vms/REF/set`: what to change in a VM. */
export const setVmRequest = closedObject({
  vcpuCount: optional(shapeFields.vcpuCount),
  memoryMib: optional(shapeFields.memoryMib),
  diskSizeBytes: optional(integer('bytes; not less than its current size')),
  network: optional(networkChange),
  nat: optional(truth('short for `network` with the mode `user`, or `none`')),
  exposeHost: optional(
    closedObject({
      add: optional(list(portNumber, "ports of this host's 127.0.0.1 that the guest reaches as its own")),
      remove: optional(list(portNumber, 'ports of this host that it reaches no more')),
    }),
  ),
});
export type SetVmRequest = ValueOf<typeof setVmRequest>;

/** Body of `POST /v1/vms/REF/forwards`. */
export const forwardPortRequest = closedObject({
  hostPort: portNumber,
  guestPort: portNumber,
  reverse: optional(
    truth("let the guest reach `hostPort` of this host's 127.0.0.1 as `guestPort` of its own 127.0.0.1"),
  ),
  remove: optional(truth('end the forward that listens on that port instead')),
});
export type ForwardPortRequest = ValueOf<typeof forwardPortRequest>;

/** Body of `POST /v1/vms/REF/rename`. */
export const renameVmRequest = closedObject({ name: text() });
export type RenameVmRequest = ValueOf<typeof renameVmRequest>;

/** Longest wait, in `ms`: the limit of a timer. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Body of `POST /v1/vms/REF/wait`. */
export const waitForVmRequest = closedObject({
  until: oneOf(WAIT_CONDITIONS),
  forPort: optional(
    integer('with `ready`: also until something in the guest listens on this TCP port', {
      minimum: 1,
      maximum: 65_535,
    }),
  ),
  forCommand: optional(text("with `ready`: also until this command of the guest's shell succeeds")),
  timeoutMs: optional(integer('ms; default: no limit', { minimum: 1, maximum: MAX_TIMEOUT_MS })),
});
export type WaitForVmRequest = ValueOf<typeof waitForVmRequest>;

/** Query of `DELETE /v1/vms/REF`. */
export const deleteVmQuery = closedObject({ resting: optional(flag('refuse a running VM')) });
export type DeleteVmQuery = ValueOf<typeof deleteVmQuery>;

/** Body of `POST /v1/vms/REF/fork`. */
export const forkVmRequest = closedObject({
  names: optional(list(text(), 'names of the first forks; the others are named after the source')),
  count: optional(integer('default: the number of names, at least 1')),
  ephemeral,
});
export type ForkVmRequest = ValueOf<typeof forkVmRequest>;

/** Result of `POST /v1/vms/REF/fork`. */
export const forkedVms = object({
  vms: list(vm),
  pausedMs: number('ms for which the source was paused'),
});
export type ForkedVms = ValueOf<typeof forkedVms>;

/** Answer of `GET /v1/vms/REF/ssh`: what OpenSSH needs to log in to a guest, over a stream to its port. */
export const sshAccess = object({
  vm: vmName,
  user: text(),
  port: integer("port on the guest's loopback addresses"),
  identityFile: text("private key on the daemon's host"),
  knownHostsFile: text("contains only the guest's host key, under `hostKeyAlias`"),
  hostKeyAlias: text(),
});
export type SshAccess = ValueOf<typeof sshAccess>;
