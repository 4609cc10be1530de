import { createHash, randomBytes } from 'node:crypto';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { PersonalFile, Personalisation } from '../../../protocol/guest.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { HostContent } from '../../ports/host-user.ts';
import type { VmRecord } from '../../ports/records.ts';
import { guestNetwork } from '../../rules/nat-network.ts';
import { SSH_KEY_COMMENT, type SshKeyPair, sshKeyPair } from '../../rules/ssh-key.ts';
import type { VmHost, Vms } from '../world.ts';
import { settleClock } from './guest-clock.ts';
import { sshHostKey } from './ssh-host-key.ts';

/**
 * Bytes of the host's random numbers that a guest's generator starts from: as much as its kernel's pool
 * holds.
 */
const ENTROPY_BYTES = 64;

/**
 * Begins to read what the user wants in every guest, while the VM starts; {@link personalise} takes it. A
 * failure is thrown when it is awaited, or never.
 */
export function readHostContent(world: Pick<VmHost, 'hostUser'>, options: Abortable): Promise<HostContent> {
  const content = world.hostUser.content(options);
  content.catch(() => {});
  return content;
}

/**
 * Makes the guest this VM's own, before any user byte runs: a guest that was restored has the clock, the
 * random numbers and the names of the one that it was captured from. The user's own files go with that; one
 * that the guest cannot take (its disk is full, the user put something else there) is told and left out.
 * Fail-closed but for those: a guest of which a step failed must not be used.
 *
 * @throws {AppError} GUEST_PERSONALISE_FAILED naming the step; GUEST_LOST, GUEST_PROTOCOL,
 * HOST_SECRET_INVALID.
 */
export async function personalise(
  world: Pick<Vms, 'log'> & Pick<VmHost, 'hostUser'>,
  record: VmRecord,
  { agent, content, report, signal }: Task & { agent: GuestAgent; content: HostContent },
): Promise<void> {
  const files = [...sshKeyFiles(await sshHostKey(world.hostUser, record.id)), ...content.files];
  for (const message of content.notices) report({ event: 'notice', message });
  try {
    const { wallClockMs, unwritten } = await agent.personalise(
      {
        wallClockMs: Date.now(),
        entropyBase64: randomBytes(ENTROPY_BYTES).toString('base64'),
        hostname: record.name,
        machineId: machineIdOf(record.id),
        network: guestNetwork(record.nat),
        files,
      },
      { signal },
    );
    for (const { path, message } of unwritten) {
      report({ event: 'notice', message: `"${path}" was not written in the guest: ${message}` });
    }
    const now = (): number => Date.now();
    await settleClock(now() - wallClockMs, { agent, vm: record, log: world.log, now, signal });
  } catch (error) {
    if (!isAppError(error, 'GUEST_FAILED')) throw error;
    const step = error.details?.['step'] ?? 'request';
    throw new AppError(
      'GUEST_PERSONALISE_FAILED',
      `Cannot make the guest of "${record.name}" its own: the step "${step}" failed`,
      {
        hint: `the guest's console shows more: banger vm logs ${record.name}`,
        details: { step },
        cause: error,
      },
    );
  }
}

/**
 * The identity of a guest that others are made of: everything is in its place and no longer than a VM's own,
 * which then only takes its place. An emulated guest that was just restored runs all code for the first time,
 * and making a file takes it much longer than that.
 */
export function nobody(): Personalisation {
  const home: readonly PersonalFile[] = [
    { path: '/root/.ssh', mode: 0o700, how: 'folder', optional: true },
    { path: '/root/.ssh/authorized_keys', mode: 0o600, how: 'create', optional: true },
  ];
  return {
    wallClockMs: Date.now(),
    // The shortest of names.
    hostname: 'b',
    machineId: machineIdOf(randomBytes(16).toString('hex')),
    network: guestNetwork(false),
    files: [...sshKeyFiles(sshKeyPair(randomBytes(32), SSH_KEY_COMMENT)), ...home],
  };
}

/** The same for every start of a VM, another for every VM (machine-id(5): 128 bits, as 32 hex digits). */
function machineIdOf(vmId: string): string {
  return createHash('sha256').update(`banger machine-id ${vmId}`).digest('hex').slice(0, 32);
}

/** Where sshd(8) looks for it. Made on the host, because making one takes an emulated guest a second. */
const SSH_HOST_KEY_PATH = '/etc/ssh/ssh_host_ed25519_key';

function sshKeyFiles({ privateKey, publicKey }: SshKeyPair): PersonalFile[] {
  return [
    { path: SSH_HOST_KEY_PATH, mode: 0o600, content: Buffer.from(privateKey) },
    { path: `${SSH_HOST_KEY_PATH}.pub`, mode: 0o644, content: Buffer.from(publicKey) },
  ];
}
