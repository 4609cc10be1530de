import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { DAEMON_NODE_FLAGS } from '../config/daemon-process.ts';
import { NODE_FLAGS } from '../config/node-flags.ts';
import { processEnvironment } from '../config/settings.ts';
import { buildInfo } from '../protocol/build-info.ts';
import { main } from './cli.ts';
import type { CliIo } from './context/io.ts';
import { exactEnvironment, exactWords } from './context/own-bytes.ts';

/** `stty` takes 2 ms; a terminal that does not answer must not hold us for ever. */
const STTY_TIMEOUT_MS = 5_000;

let crashStatus = 1;

// The program `banger`. Streams are made when they are first used: opening stdin costs time, and few commands
// read it.
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
    // Node's raw mode keeps OPOST and ONLCR (termios(3)): a full-screen program's bare line feed would also
    // go to the first column.
    const { execInheritSync } = await import('../base/process/exec.ts');
    return () => execInheritSync(['stty', '-opost'], { timeoutMs: STTY_TIMEOUT_MS });
  },
  setCrashStatus(status) {
    crashStatus = status;
  },
  ownArgv: [process.execPath, ...NODE_FLAGS, realpathSync(process.argv[1] ?? '')],
  daemonArgv: [process.execPath, ...DAEMON_NODE_FLAGS, daemonProgram(realpathSync(process.argv[1] ?? ''))],
  build: buildInfo(),
};

process.on('uncaughtException', (error) => {
  // Said last: what exits now may first have to give the terminal back.
  process.once('exit', () => process.stderr.write(`banger: this is a bug: ${messageOf(error)}\n`));
  process.exit(crashStatus);
});

// `main` has waited for its output; what still is open (a terminal that is being read) must not keep the
// process.
void main(exactWords(process.argv.slice(2)), io).then((status) => process.exit(status));

/** The daemon's program beside ours: in the same folder when bundled, in the source tree when not. */
function daemonProgram(ourPath: string): string {
  const folder = dirname(ourPath);
  return ourPath.endsWith('.ts') ? join(folder, '..', 'daemon', 'main.ts') : join(folder, 'bangerd.cjs');
}
