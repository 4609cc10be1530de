import { existsSync } from 'node:fs';
import { isAppError } from '../../../base/errors.ts';
import { readIfThere } from '../../../base/files/atomic-file.ts';
import { userSshConfig } from '../../../config/settings.ts';
import { includes } from '../../../config/ssh/include-block.ts';
import { includeLines } from '../../../config/ssh/quote.ts';
import { programOf } from '../../../config/ssh/stanza.ts';
import { readUserConfig } from '../../../config/ssh/user-config.ts';
import type { Check, Finding } from '../check.ts';

const INSTALL = 'banger ssh-config --install';

/** ssh(1) reaches VMs by their names. Optional, so only a half that does not work is a warning. */
export const checkSshConfig: Check = {
  name: 'ssh NAME.vm',
  async run({ settings: { paths }, env }) {
    const path = paths.sshConfigFile;
    const stanza = await readIfThere(path);
    if (stanza === undefined) return { status: 'pass', message: `not set up; to use it: ${INSTALL}` };
    const program = programOf(stanza);
    if (program === undefined || !existsSync(program)) {
      return warning(`"${path}" starts a program that does not exist: ${program ?? 'it names none'}`);
    }
    const userConfig = userSshConfig(env);
    try {
      if (includes(readUserConfig(userConfig).text ?? '', includeLines(path, env))) {
        return { status: 'pass', message: `${userConfig} includes ${path}` };
      }
    } catch (error) {
      if (!isAppError(error)) throw error;
      return warning(error.message);
    }
    return warning(`ssh does not reach VMs by name: ${userConfig} does not include ${path} for all hosts`);
  },
};

function warning(message: string): Finding {
  return { status: 'warn', message, fix: INSTALL };
}
