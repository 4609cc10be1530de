import { AppError } from '../../../base/errors.ts';
import type { StepPlace } from './run-step.ts';

/**
 * Lets the user `$1` own the working tree `$2`, which was copied as root. Root's git, which later copies and
 * exports changes, must be allowed to use it then. A link in the tree is not followed.
 */
const SCRIPT = `
user=\${1%%:*}
case $1 in
  *:*) owner=$1 ;;
  *) group=$(id -g "$user") || exit; owner=$user:$group ;;
esac
chown -hR "$owner" "$2" || exit
if command -v git >/dev/null 2>&1; then git config --system --add safe.directory "$2"; fi
`;

/** Whether a user is root, who owns everything that is copied. */
export function isRoot(user: string): boolean {
  return /^(root|0)(:|$)/.test(user);
}

/**
 * Gives the working tree to a user of the guest.
 *
 * @throws {AppError} DEVCONTAINER_USER_INVALID with the words of the guest's programs.
 */
export async function ownTree(
  { client, vm, context }: Omit<StepPlace, 'start'>,
  { user, folder }: { user: string; folder: string },
): Promise<void> {
  const argv: [string, ...string[]] = ['sh', '-c', SCRIPT, 'own', user, folder];
  using session = await client.exec(vm.id, { argv, cwd: '/' }, { signal: context.signal });
  const { exit, stdout, stderr } = await session.collect({ maxBytes: 2 ** 20 });
  if ('code' in exit && exit.code === 0) return;
  const why = Buffer.concat([stderr, stdout]).toString('utf8').trim().split('\n').at(-1) ?? '';
  throw new AppError(
    'DEVCONTAINER_USER_INVALID',
    `Cannot give the working tree in vm "${vm.name}" to the user "${user}": ${why || 'it printed no message'}`,
    { hint: 'remoteUser must be a user of the image', details: { user } },
  );
}
