import { ordinaryUser } from '../../../protocol/guest-user.ts';
import { hostNameOf } from '../../../protocol/vm-domain.ts';
import type { HostUser } from '../../ports/host-user.ts';
import type { VmRecord, VmRecords } from '../../ports/records.ts';
import type { VmFiles } from '../../ports/vm-files.ts';
import { sshHostKey } from './ssh-host-key.ts';

/** What {@link KnownHosts} works on. */
export interface KnownHostsWorld {
  records: Pick<VmRecords, 'list'>;
  hostUser: Pick<HostUser, 'secret'>;
  files: Pick<VmFiles, 'writeKnownHosts' | 'writeLoginUsers'>;
}

/**
 * The file with the ssh host keys of all VMs that exist, in the format of sshd(8), SSH_KNOWN_HOSTS. It
 * follows from the records and the user's secret alone, so no key is ever learned from a guest. Beside it is
 * the part of ssh_config(5) that says which VMs have another user than root.
 */
export class KnownHosts {
  readonly #world: KnownHostsWorld;
  /** public keys by the VM's id */
  #keys = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();
  #next: Promise<string> | undefined;

  constructor(world: KnownHostsWorld) {
    this.#world = world;
  }

  /** The name under which {@link update} writes the key of a VM, whatever the VM is called. */
  static aliasOf(vmId: string): string {
    return `banger-${vmId}`;
  }

  /**
   * Makes the file agree with the records as they are when it is called, or later; returns its path. Does not
   * write a file that is up to date.
   *
   * @throws {AppError} HOST_NO_SPACE, HOST_SECRET_INVALID.
   */
  async update(): Promise<string> {
    if (!this.#next) {
      this.#next = this.#last.then(async () => {
        // From here on, a call must look at the records again.
        this.#next = undefined;
        return await this.#write();
      });
      this.#last = this.#next.catch(() => {});
    }
    return await this.#next;
  }

  /** Waits for the updates that have been called for; their failures are those of {@link update}. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #write(): Promise<string> {
    const records = this.#world.records.list();
    const known = this.#keys;
    this.#keys = new Map();
    const lines: string[] = [];
    const users: string[] = [];
    for (const { id, name, user } of records) {
      const key = known.get(id) ?? (await sshHostKey(this.#world.hostUser, id)).publicKey;
      this.#keys.set(id, key);
      lines.push(`${namesOf({ id, name }).join(',')} ${key}`);
      if (ordinaryUser(user) !== undefined)
        users.push(`Host ${hostNameOf(name)} ${hostNameOf(id)}\n  User ${user}\n`);
    }
    await this.#world.files.writeLoginUsers(users.join(''));
    return await this.#world.files.writeKnownHosts(lines.join(''));
  }
}

/** All names of a VM; ssh(1) writes `[NAME]:PORT` for a port that is not 22. */
function namesOf({ id, name }: Pick<VmRecord, 'id' | 'name'>): string[] {
  const hosts = [hostNameOf(name), hostNameOf(id)];
  return [...hosts.flatMap((host) => [host, `[${host}]:*`]), KnownHosts.aliasOf(id)];
}
