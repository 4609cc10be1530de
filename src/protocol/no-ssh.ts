import { AppError } from '../base/errors.ts';

/** Where sshd listens (RFC 4253, section 4.1). */
export const SSH_PORT = 22;

/** The error for a guest in which no sshd listens. */
export function noSsh(name: string): AppError {
  return new AppError(
    'GUEST_NO_SSH',
    `Cannot log in to "${name}" with ssh: nothing listens on its port ${SSH_PORT}`,
    {
      hint: `without ssh: banger vm exec ${name} -- sh; to add ssh to a Debian guest: banger vm set --nat ${name}, then banger vm exec ${name} -- apt-get install -y openssh-server`,
    },
  );
}
