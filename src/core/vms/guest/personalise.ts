import { createHash, randomBytes } from 'node:crypto';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { PersonalFile, Personalisation, Personalised, Surroundings } from '../../../protocol/guest.ts';
import { ordinaryUser, workspaceOf } from '../../../protocol/guest-user.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { HostContent, OutsideContent } from '../../ports/host-user.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { imageEnvironmentFiles } from '../../rules/image-environment.ts';
import { guestNetwork } from '../../rules/nat-network.ts';
import { SSH_KEY_COMMENT, type SshKeyPair, sshKeyPair } from '../../rules/ssh-key.ts';
import type { VmHost, Vms } from '../world.ts';
import { settleClock } from './guest-clock.ts';
import { sshHostKey } from './ssh-host-key.ts';
import { withSecrets } from './with-secrets.ts';

/** Random bytes from the host that seed a guest's generator: as many as its kernel's entropy pool holds. */
const ENTROPY_BYTES = 64;

/**
 * Starts to read the content for every guest while the VM starts; {@link personalise} needs it. A failure is
 * thrown when the result is awaited, or never.
 */
export function readHostContent(world: Pick<VmHost, 'hostUser'>, options: Abortable): Promise<HostContent> {
  const content = world.hostUser.content(options);
  content.catch(() => {});
  return content;
}

/**
 * Personalises the guest before any user code runs: a restored guest has the clock, the random state and the
 * names of the guest that it was captured from. Also writes the user's own files; one that cannot be written
 * (full disk, something else in its place) is left out with a notice. Any other failed step means that the
 * guest must not be used. A guest that `isNew` has nothing of an earlier start.
 *
 * @throws {AppError} GUEST_USER_UNUSABLE; GUEST_PERSONALISE_FAILED naming the step; GUEST_LOST,
 * GUEST_PROTOCOL, HOST_SECRET_INVALID; as {@link withSecrets}.
 */
export async function personalise(
  world: Pick<Vms, 'log'> & Pick<VmHost, 'hostUser'>,
  record: VmRecord,
  {
    agent,
    content,
    running,
    isNew,
    report,
    signal,
  }: Task & {
    agent: GuestAgent;
    content: HostContent;
    running: RunningVm;
    isNew: boolean;
  },
): Promise<void> {
  const user = ordinaryUser(record.user);
  const files = [
    ...sshKeyFiles(await sshHostKey(world.hostUser, record.id)),
    ...imageEnvironmentFiles(record.imageConfig ?? {}),
    ...content.files,
    ...(user === undefined ? [] : [trustedByRootsGit(user)]),
  ];
  const outside =
    record.network.mode === 'user'
      ? await withSecrets(content.outside, record, { running, signal })
      : undefined;
  for (const message of [...content.notices, ...(outside?.notices ?? [])]) {
    report({ event: 'notice', message });
  }
  const surroundings = surroundingsOf(outside);
  try {
    const { wallClockMs, unwritten } = await agent.personalise(
      {
        wallClockMs: Date.now(),
        entropyBase64: randomBytes(ENTROPY_BYTES).toString('base64'),
        hostname: record.name,
        machineId: machineIdOf(record.id),
        network: guestNetwork(record.network),
        ...(isNew && isNothing(surroundings) ? {} : { surroundings }),
        // Every other guest has it mounted already, and one that was just restored takes a while to see that.
        ...(isNew && record.workBase ? { workDisk: 'mount' } : {}),
        ...(user === undefined ? {} : { user: { name: user, fillHome: isNew } }),
        files,
      },
      { signal },
    );
    reportUnwritten(unwritten, report);
    const now = (): number => Date.now();
    await settleClock(now() - wallClockMs, { agent, vm: record, log: world.log, now, signal });
  } catch (error) {
    if (!isAppError(error, 'GUEST_FAILED')) throw error;
    const step = error.details?.['step'] ?? 'request';
    if (step === 'user') throw userUnusable(record, error);
    throw new AppError(
      'GUEST_PERSONALISE_FAILED',
      `Cannot personalise the guest of "${record.name}": the step "${step}" failed`,
      {
        hint: `the guest's console shows more: banger vm logs ${record.name}`,
        details: { step },
        cause: error,
      },
    );
  }
}

/** The error for a user that the guest cannot give the VM. */
function userUnusable({ user = '', imageName }: VmRecord, cause: AppError): AppError {
  return new AppError('GUEST_USER_UNUSABLE', `Cannot give the VM the user "${user}"`, {
    hint: `choose another name, which image "${imageName}" has no user of, for example --user dev`,
    details: { user, image: imageName },
    cause,
  });
}

/**
 * Lets git of the guest's root work on the user's tree, which belongs to the user; submodules too, as git
 * 2.46 and later read it. The user's own git asks for nothing.
 */
function trustedByRootsGit(user: string): PersonalFile {
  const folder = workspaceOf(user);
  const lines = [folder, `${folder}/*`].map((path) => `[safe] directory = ${path}\n`);
  return {
    ...{ path: '/etc/gitconfig', mode: 0o644, how: 'add-lines', optional: true },
    content: Buffer.from(lines.join('')),
  };
}

/** Reports the files that a guest has not got. */
export function reportUnwritten(unwritten: Personalised['unwritten'], report: Report): void {
  for (const { path, message } of unwritten) {
    report({ event: 'notice', message: `"${path}" was not written in the guest: ${message}` });
  }
}

/**
 * The proxies and certificates to set in a guest. Without `outside` there are none: the guest removes those
 * that it has.
 */
export function surroundingsOf(outside: OutsideContent | undefined): Surroundings {
  const { environment = {}, isSecret = false, authorities = [] } = outside ?? {};
  return { environment, isSecret, authorities };
}

/**
 * Nothing need be removed from a new guest, and a guest that was just restored takes tens of ms for its first
 * request of this kind.
 */
function isNothing({ environment, authorities }: Surroundings): boolean {
  return Object.keys(environment).length === 0 && authorities.length === 0;
}

/**
 * The placeholder identity of a guest that others are made from: every file exists and is no longer than a
 * VM's own, so that personalising only overwrites. Creating files would take a just restored emulated guest
 * much longer. The files for its image's variables are there too.
 */
export function placeholderIdentity({ config }: Pick<StoredImage, 'config'>): Personalisation {
  return {
    wallClockMs: Date.now(),
    // The shortest possible name.
    hostname: 'b',
    machineId: machineIdOf(randomBytes(16).toString('hex')),
    network: guestNetwork({ mode: 'none' }),
    surroundings: surroundingsOf(undefined),
    files: [...sshKeyFiles(sshKeyPair(randomBytes(32), SSH_KEY_COMMENT)), ...imageEnvironmentFiles(config)],
  };
}

/** Constant for one VM, different for each VM (machine-id(5): 128 bits, as 32 hex digits). */
function machineIdOf(vmId: string): string {
  return createHash('sha256').update(`banger machine-id ${vmId}`).digest('hex').slice(0, 32);
}

/** Where sshd(8) reads its host key. The host generates it, because that takes an emulated guest a second. */
const SSH_HOST_KEY_PATH = '/etc/ssh/ssh_host_ed25519_key';

function sshKeyFiles({ privateKey, publicKey }: SshKeyPair): PersonalFile[] {
  return [
    { path: SSH_HOST_KEY_PATH, mode: 0o600, content: Buffer.from(privateKey) },
    { path: `${SSH_HOST_KEY_PATH}.pub`, mode: 0o644, content: Buffer.from(publicKey) },
  ];
}
