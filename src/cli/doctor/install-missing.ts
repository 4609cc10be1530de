import { findProgram } from '../../base/process/programs.ts';
import { shellWord } from '../../base/text/shell-word.ts';
import type { Environment } from '../../config/settings.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import { canAsk, confirm } from '../context/confirm.ts';
import type { CommandContext } from '../context/context.ts';

/** Package managers in the order of looking for them, and how each installs without asking again. */
const MANAGERS = [
  { name: 'apt', program: 'apt-get', argv: ['apt-get', 'install', '-y'] },
  { name: 'dnf', program: 'dnf', argv: ['dnf', 'install', '-y'] },
  { name: 'pacman', program: 'pacman', argv: ['pacman', '-S', '--needed', '--noconfirm'] },
  { name: 'zypper', program: 'zypper', argv: ['zypper', '--non-interactive', 'install'] },
] as const;

/** A name of a package: it can be no option. */
const PACKAGE_NAME = /^[A-Za-z0-9][A-Za-z0-9.+_-]*$/;

/**
 * The command that installs what `checks` miss on this host, with sudo for an ordinary user; `undefined` when
 * nothing is missing, or this host has no known package manager.
 */
export async function installCommand(
  checks: readonly DoctorCheck[],
  { env, isRoot }: { env: Environment; isRoot: boolean },
): Promise<[string, ...string[]] | undefined> {
  const wanted = checks.flatMap(({ status, packages }) => (status === 'pass' || !packages ? [] : [packages]));
  if (wanted.length === 0) return undefined;
  for (const { name, program, argv } of MANAGERS) {
    if ((await findProgram(program, env)) === undefined) continue;
    const names = new Set(wanted.flatMap((packages) => packages[name].split(' ')));
    const plain = [...names].filter((one) => PACKAGE_NAME.test(one));
    return isRoot ? [...argv, ...plain] : ['sudo', ...argv, ...plain];
  }
  return undefined;
}

/**
 * Installs what `checks` miss: says what it will run, asks, and runs it on the user's terminal. Without a
 * terminal it only says it, unless `isAgreed`. Returns whether it has installed anything.
 *
 * @throws {AppError} EXEC_NOT_FOUND when there is no sudo.
 */
export async function installMissing(
  checks: readonly DoctorCheck[],
  context: CommandContext,
  { isAgreed }: { isAgreed: boolean },
): Promise<boolean> {
  const { io, notice, warn, progress, signal } = context;
  const argv = await installCommand(checks, { env: io.env, isRoot: process.geteuid?.() === 0 });
  if (!argv) return false;
  const line = argv.map(shellWord).join(' ');
  if (!isAgreed && !canAsk(context)) {
    notice(`what is missing can be installed with: ${line}, or with banger doctor --fix --yes`);
    return false;
  }
  notice(`this host lacks programs. This installs them: ${line}`);
  if (!isAgreed && !(await confirm('Run it?', context))) return false;
  progress.clear();
  const { execInherit } = await import('../../base/process/exec.ts');
  const status = await execInherit(argv, { env: { ...io.env }, isResult: false, signal });
  if (status !== 0) warn(`installing ended with status ${status}`);
  return status === 0;
}
