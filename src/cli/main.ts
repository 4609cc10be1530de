import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { DAEMON_NODE_FLAGS } from '../config/daemon-process.ts';
import { lastingName } from '../config/install-places.ts';
import { NODE_FLAGS } from '../config/node-flags.ts';
import { processEnvironment } from '../config/settings.ts';
import { buildInfo } from '../protocol/build-info.ts';
import { main } from './cli.ts';
import type { CliIo } from './context/io.ts';
import { exactEnvironment, exactWords } from './context/own-bytes.ts';

/** `stty` takes 2 ms. A terminal that does not answer must not block the command for ever. */
const STTY_TIMEOUT_MS = 5_000;

let crashStatus = 1;

// The program `banger`. Streams are created on first use: opening stdin takes time, and few commands read it.
const io: CliIo = {
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return process.stdout;
  },
  get stderr() {
    return process.stderr;
  },
  env: exactEnvironment(processEnvironment()),
  get cwd() {
    return process.cwd();
  },
  signals: process,
  onExit(listener) {
    process.on('exit', listener);
    return { [Symbol.dispose]: () => process.off('exit', listener) };
  },
  async loadOutputStopper() {
    // Node's raw mode leaves OPOST and ONLCR on (termios(3)). A line feed of a full-screen program would then
    // also return the cursor to the first column.
    const { execInheritSync } = await import('../base/process/exec.ts');
    return () => execInheritSync(['stty', '-opost'], { timeoutMs: STTY_TIMEOUT_MS });
  },
  setCrashStatus(status) {
    crashStatus = status;
  },
  ownArgv: [process.execPath, ...NODE_FLAGS, realpathSync(process.argv[1] ?? '')],
  get launcherArgv() {
    // It sets what makes us start fast, and finds Node after an update of it.
    const launcher = join(dirname(realpathSync(process.argv[1] ?? '')), '..', 'bin', 'banger');
    return existsSync(launcher) ? [lastingName(launcher, io.env['HOME'])] : io.ownArgv;
  },
  daemonArgv: [process.execPath, ...DAEMON_NODE_FLAGS, daemonProgram(realpathSync(process.argv[1] ?? ''))],
  build: buildInfo(),
};

process.on('uncaughtException', (error) => {
  // Printed last, because other exit handlers may first have to restore the terminal.
  process.once('exit', () => process.stderr.write(`banger: this is a bug: ${messageOf(error)}\n`));
  process.exit(crashStatus);
});

// `main` has waited for its output. Anything that is still open, such as a terminal that is being read, must
// not keep the process alive.
void main(exactWords(process.argv.slice(2)), io).then((status) => process.exit(status));

/** The daemon's program: next to ours when bundled, else in the source tree. */
function daemonProgram(ourPath: string): string {
  const folder = dirname(ourPath);
  return ourPath.endsWith('.ts') ? join(folder, '..', 'daemon', 'main.ts') : join(folder, 'bangerd.cjs');
}
