import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import { readIfThere } from '../../base/files/atomic-file.ts';
import { publicKeyOf, SSH_KEY_COMMENT, sshKeyPair } from '../../core/rules/ssh-key.ts';

/**
 * The public key of the private key at `path`, as a line of an `authorized_keys` file. Creates the pair when
 * it is missing: mode 0600, in a folder that only the user can enter, and atomically, so that two daemons
 * create one pair.
 *
 * @throws {AppError} SSH_KEY_INVALID when the file is not a private key of OpenSSH.
 */
export async function authorizedKey(path: string): Promise<string> {
  const content = (await readIfThere(path)) ?? (await makeKey(path));
  const key = publicKeyOf(content);
  if (key) return `${key} ${SSH_KEY_COMMENT}\n`;
  throw new AppError(
    'SSH_KEY_INVALID',
    `Cannot use the ssh key "${path}": it is not a private key of OpenSSH`,
    {
      hint: `remove it (rm '${path}'), and banger creates a new one`,
      details: { path },
    },
  );
}

async function makeKey(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { privateKey, publicKey } = sshKeyPair(randomBytes(32), SSH_KEY_COMMENT);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, privateKey, { mode: 0o600, flag: 'wx', flush: true });
    // Fails when another process was first.
    await link(temporary, path);
    await writeFile(`${path}.pub`, publicKey, { mode: 0o644 });
    return privateKey;
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    return await readFile(path, 'utf8');
  } finally {
    await rm(temporary, { force: true });
  }
}
