import { AppError } from '../base/errors.ts';

/** What a user of a VM may be called, as useradd(8) of every distribution accepts it. */
export const USER_NAME = '^[a-z_][a-z0-9_-]{0,31}$';

const ROOT = 'root';
const ROOT_HOME = '/root';

/** The user of a VM besides root; `undefined` when everything in it belongs to root. */
export function ordinaryUser(user: string | undefined): string | undefined {
  return user === ROOT ? undefined : user;
}

/** The home folder of a VM's user: a view of the work disk. Absent: root's. */
export function homeOf(user: string | undefined): string {
  const ordinary = ordinaryUser(user);
  return ordinary === undefined ? ROOT_HOME : `/home/${ordinary}`;
}

/** Where a working tree is copied by default in a VM of this user. */
export function workspaceOf(user: string | undefined): string {
  return `${homeOf(user)}/repo`;
}

/**
 * Returns a name for the user of a VM unchanged; `field` says in errors where it was given.
 *
 * @throws {AppError} VM_USER_INVALID
 */
export function checkUserName(name: string, field: string): string {
  if (new RegExp(USER_NAME).test(name)) return name;
  throw new AppError(
    'VM_USER_INVALID',
    `Cannot use ${JSON.stringify(name.slice(0, 80))} for ${field}: it is not a name for a user of a VM`,
    {
      hint: "use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or '_', for example dev; or root",
      details: { field: field.replace(/^--/, ''), value: name },
    },
  );
}
