import { ensurePrivateDir } from '../../base/private-dir.ts';
import type { Check } from './check.ts';

/** The folder of our sockets is ours alone. */
export const checkRuntimeDir: Check = {
  name: 'runtime folder',
  async run({ settings }) {
    await ensurePrivateDir(settings.paths.runtimeDir);
    return { status: 'pass', message: `${settings.paths.runtimeDir} is private` };
  },
};
