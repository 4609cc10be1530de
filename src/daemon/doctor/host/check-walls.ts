import { isAppError, messageOf } from '../../../base/errors.ts';
import { exec } from '../../../base/process/exec.ts';
import { toolEnv } from '../../../base/process/programs.ts';
import type { Check, Finding } from '../check.ts';

/** The output of `banger-host walls`. */
interface Walls {
  landlockAbi: number;
  seccomp: boolean;
}

/** What each Landlock version added: an older one leaves the gap described. */
const SINCE: readonly (readonly [number, string])[] = [
  [3, 'a VMM can cut short the files that it may only read'],
  [5, 'a VMM can control devices that it may only read and write'],
  [6, 'a VMM can send signals to other programs of this user'],
];

/** What protects this user's files from a guest that has taken over its VMM. */
export const checkWalls: Check = {
  name: 'walls',
  async run({ hostTools, env }, { signal }) {
    let text: string;
    try {
      text = (await exec([hostTools, 'walls'], { signal, env: toolEnv(env) })).stdout.toString();
    } catch (error) {
      if (!isAppError(error, 'EXEC_NOT_FOUND', 'EXEC_FAILED')) throw error;
      return {
        status: 'warn',
        message: `VMMs run behind their own seccomp filter alone: ${messageOf(error)}`,
        fix: 'install banger again, or: npm run setup',
      };
    }
    return describeWalls(JSON.parse(text) as Walls);
  },
};

/** The finding for a kernel that offers `walls`. */
export function describeWalls({ landlockAbi, seccomp }: Walls): Finding {
  const others = ['no new privileges', ...(seccomp ? ['seccomp'] : [])];
  if (landlockAbi === 0) {
    return {
      status: 'warn',
      message: `around VMMs: ${others.join(', ')}; this kernel has no Landlock, so a VMM can reach all of your files`,
      fix: 'use a kernel from 5.13 on with CONFIG_SECURITY_LANDLOCK=y and "landlock" in its lsm= list',
    };
  }
  const details = SINCE.filter(([abi]) => landlockAbi < abi).map(
    ([abi, text]) => `${text} (Landlock ${abi})`,
  );
  return {
    status: 'pass',
    message: `around VMMs: Landlock ${landlockAbi}, ${others.join(', ')}`,
    ...(details.length > 0 ? { details } : {}),
  };
}
