import { stat } from 'node:fs/promises';
import { ensurePrivateDir } from '../../../base/files/private-dir.ts';
import type { Check } from '../check.ts';

/** Only this user can use the folder of our sockets, and the daemon's socket in it. */
export const checkRuntimeDir: Check = {
  name: 'daemon socket',
  async run({ settings: { paths }, uid }) {
    await ensurePrivateDir(paths.runtimeDir);
    const socket = await stat(paths.daemonSocket);
    const mode = socket.mode & 0o777;
    if (socket.isSocket() && socket.uid === uid && mode === 0o600) {
      return { status: 'pass', message: `${paths.daemonSocket} is private` };
    }
    return {
      status: 'fail',
      message: `${paths.daemonSocket} has mode ${mode.toString(8)} and user ${socket.uid}: others could use it`,
      fix: 'banger daemon stop',
    };
  },
};
