import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { exec } from '../../base/process/exec.ts';

/** A user of the host. */
export interface Owner {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/** Names of users that useradd(8) accepts. */
const USER_NAME = /^[a-z_][a-z0-9_-]{0,31}$/i;

/**
 * Finds a user of the host.
 *
 * @throws {AppError} USAGE_OPTION_VALUE when there is none, or it is root.
 */
export async function findOwner(name: string, { signal }: Abortable): Promise<Owner> {
  if (!USER_NAME.test(name)) throw wrong(name, 'it is not the name of a user');
  const { stdout, code } = await exec(['getent', 'passwd', name], { signal, okCodes: [0, 2] });
  const [found = '', , uid = '', gid = '', , home = ''] =
    stdout.toString('utf8').split('\n')[0]?.split(':') ?? [];
  if (code !== 0 || found !== name) throw wrong(name, 'this host has no such user');
  if (Number(uid) === 0) throw wrong(name, 'it is root, and VMs of root would have all rights of this host');
  if (!home.startsWith('/') || home === '/') throw wrong(name, 'it has no home folder');
  return { name, uid: Number(uid), gid: Number(gid), home };
}

function wrong(name: string, why: string): AppError {
  return new AppError('USAGE_OPTION_VALUE', `Cannot use "${name}" for --owner: ${why}`, {
    hint: 'name the user whose VMs they will be: --owner "$USER"',
    details: { field: 'owner', value: name },
  });
}
