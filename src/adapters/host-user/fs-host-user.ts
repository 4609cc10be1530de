import { createHmac, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files/atomic-file.ts';
import type { HostContent, HostUser } from '../../core/ports/host-user.ts';
import type { PersonalFile } from '../../protocol/guest.ts';
import { type ProxyVariables, proxiesOf } from '../../protocol/proxy-variables.ts';
import { readSyncedPaths, type SyncedPath } from './file-sync.ts';
import { readGitIdentity } from './git-identity.ts';
import { type OutsideOptions, readOutside } from './outside.ts';
import { authorizedKey } from './ssh-key-file.ts';

const SECRET_BYTES = 32;

/** Paths of the user's files. */
export interface HostUserOptions {
  /** 32 random bytes, created when missing; its folder must exist */
  secretFile: string;
  /** private key, created when missing */
  sshKeyFile: string;
  fileSync: readonly SyncedPath[];
  /** git's environment; its proxies count where {@link HostUser.behind} names no others */
  env: NodeJS.ProcessEnv;
  outside: OutsideOptions;
}

/**
 * The user's files on the host's file system. Only one daemon at a time may use a secret file; several
 * daemons may share a key.
 */
export class FsHostUser implements HostUser {
  readonly #options: HostUserOptions;
  #secret: Promise<Buffer> | undefined;

  constructor(options: HostUserOptions) {
    this.#options = options;
  }

  async secret(purpose: string): Promise<Buffer> {
    this.#secret ??= readSecret(this.#options.secretFile);
    try {
      return createHmac('sha256', await this.#secret)
        .update(purpose)
        .digest();
    } catch (error) {
      this.#secret = undefined;
      throw error;
    }
  }

  content({ signal }: Abortable): Promise<HostContent> {
    return this.#content(proxiesOf(this.#options.env), { signal });
  }

  behind(proxies: ProxyVariables): HostUser {
    return {
      // One instance reads, or creates, the secret.
      secret: (purpose) => this.secret(purpose),
      content: (options) => this.#content(proxies, options),
      loginKeyFile: () => this.loginKeyFile(),
      behind: (others) => this.behind(others),
    };
  }

  async #content(proxies: ProxyVariables, { signal }: Abortable): Promise<HostContent> {
    const { fileSync, sshKeyFile, env, outside: wanted } = this.#options;
    const [synced, identity, key, outside] = await Promise.all([
      readSyncedPaths(fileSync, { signal }),
      readGitIdentity({ signal, env }),
      authorizedKey(sshKeyFile),
      readOutside(wanted, { proxies, signal }),
    ]);
    const files: PersonalFile[] = [
      ...synced.files,
      // After the synced files: they may have the same names, and the user asked for them explicitly.
      ...(identity ? [inHome('.gitconfig', { mode: 0o644, how: 'create', content: identity })] : []),
      inHome('.ssh/authorized_keys', { mode: 0o600, how: 'add-lines', content: Buffer.from(key) }),
      inHome('.hushlogin', { mode: 0o644, how: 'create', content: Buffer.alloc(0) }),
    ];
    return { files, notices: synced.notices, outside };
  }

  async loginKeyFile(): Promise<string> {
    const { sshKeyFile } = this.#options;
    await authorizedKey(sshKeyFile);
    return sshKeyFile;
  }
}

function inHome(
  name: string,
  { mode, how, content }: { mode: number; how: 'create' | 'add-lines'; content: Buffer },
): PersonalFile {
  return { path: `/root/${name}`, mode, how, content, optional: true };
}

async function readSecret(path: string): Promise<Buffer> {
  try {
    const secret = await readFile(path);
    if (secret.length === SECRET_BYTES) return secret;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    const secret = randomBytes(SECRET_BYTES);
    await writeFileAtomic(path, secret, { mode: 0o600 });
    return secret;
  }
  throw new AppError(
    'HOST_SECRET_INVALID',
    `Cannot use the secret "${path}": it is not ${SECRET_BYTES} bytes`,
    {
      hint: `restore it, or remove it, which changes the ssh host keys of all VMs`,
      details: { path },
    },
  );
}
