import { readdirSync, readFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { isErrno } from '../../../src/base/errors.ts';
import { ensurePrivateDir } from '../../../src/base/files/private-dir.ts';
import { createLogger } from '../../../src/base/log.ts';
import { loadSettings } from '../../../src/config/load-settings.ts';
import { processEnvironment } from '../../../src/config/settings.ts';
import { compose } from '../../../src/daemon/compose.ts';
import { LogFile } from '../../../src/daemon/log/log-file.ts';
import { serve } from '../../../src/daemon/serve.ts';
import { LAB_BUILD, serveLab } from '../daemon-lab.ts';
import { SOURCE_RECEIVER } from '../receiver.ts';
import { CLIENT_ENDS } from './client-ends.ts';
import { fill } from './fill.ts';
import { hookSteps } from './hooks.ts';

/** The action at a step. */
export type StepAction =
  /** kills the daemon */
  | { kind: 'daemon' }
  /** ends the client: the lab closes its connections */
  | { kind: 'client' }
  /** kills those VMMs of this lab whose pid file or socket has a path that matches */
  | { kind: 'vmm'; pattern: string }
  /** stops these VMMs with SIGSTOP, so that they hang */
  | { kind: 'hang'; pattern: string }
  /** fills the file system of `dir` to its last byte */
  | { kind: 'full'; dir: string };

/** A request to the daemon: do this at the `at`th step from now on. */
export interface StepOrder {
  at: number;
  action: StepAction;
}

/** The daemon's answer: how many steps it has taken, and the one at which it acted. */
export interface StepReport {
  count: number;
  hit?: string;
  /** the processes that it killed then, which may take a moment to end */
  killed?: readonly number[];
}

/** The settings of a test's daemon, as JSON in its first argument. */
export interface StepDaemonOptions {
  /** `fake`: the lab of test/integration at `dir`; `qemu`: the real daemon, in the process's environment */
  kind: 'fake' | 'qemu';
  dir: string;
  /** folder of the guest agents */
  agentDir: string;
  /** folder of the host tools */
  hostToolsDir: string;
  /** for a `fake`: it keeps a pool VM */
  hasStandby: boolean;
}

/** `ms` after which Node's compile cache is written: once the daemon listens. */
const KEEP_CODE_AFTER_MS = 500;

const options = JSON.parse(process.argv[2] ?? '') as StepDaemonOptions;
const kill = process.kill.bind(process);
let order: StepOrder | undefined;
let report: StepReport = { count: 0 };

process.on('message', (message: StepOrder | 'report') => {
  if (message === 'report') {
    order = undefined;
    process.send?.(report);
    return;
  }
  report = { count: 0 };
  order = message;
  process.send?.(report);
});
process.on('disconnect', () => kill(process.pid, 'SIGKILL'));

await hookSteps((what) => {
  if (!order || report.hit !== undefined) return;
  const { action, at } = order;
  // A step counts only while there is a process to kill.
  const victims = 'pattern' in action ? vmmsNaming(new RegExp(action.pattern)) : [];
  if ('pattern' in action && victims.length === 0) return;
  report.count += 1;
  if (report.count < at) return;
  report.hit = what;
  if (action.kind === 'vmm') report.killed = victims;
  writeSync(2, `step ${at}: ${what}\n`);
  if (action.kind === 'daemon') kill(process.pid, 'SIGKILL');
  if (action.kind === 'client') process.send?.(CLIENT_ENDS);
  for (const pid of victims) kill(pid, action.kind === 'hang' ? 'SIGSTOP' : 'SIGKILL');
  if (action.kind === 'full') fill(action.dir);
});
// For the next daemon; one that kills itself writes nothing.
setTimeout(() => flushCompileCache(), KEEP_CODE_AFTER_MS).unref();
await (options.kind === 'fake' ? serveFake() : serveReal());
process.exit(0);

async function serveFake(): Promise<void> {
  const log = createLogger((line) => writeSync(2, line), { level: 'info' });
  await serveLab(options.dir, { canSave: true, hasRealBases: true, hasStandby: options.hasStandby, log });
}

/** As src/daemon/main.ts does. */
async function serveReal(): Promise<void> {
  const env = processEnvironment();
  const settings = loadSettings(env);
  await ensurePrivateDir(settings.paths.stateDir);
  using file = new LogFile(settings.paths.daemonLogFile);
  const log = createLogger((line) => file.write(line), { level: 'debug' });
  const uid = process.getuid?.() ?? 0;
  const { agentDir, hostToolsDir } = options;
  await serve({
    settings,
    build: LAB_BUILD,
    log,
    env,
    uid,
    signal: new AbortController().signal,
    compose: () =>
      compose({
        settings,
        env,
        uid,
        agentDir,
        hostToolsDir,
        receiver: SOURCE_RECEIVER,
        build: LAB_BUILD,
        log,
      }),
    onListening: () => process.stdout.write('listening\n'),
  });
}

/** Processes that hold a guest: QEMU by its pid file, a fake by its socket. */
function vmmsNaming(pattern: RegExp): number[] {
  return readdirSync('/proc').filter(isVmm).map(Number);

  function isVmm(pid: string): boolean {
    if (!/^[0-9]+$/.test(pid)) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      // Only this lab's VMMs: VMs of the user and of other tests run on this machine too.
      const isOurs = (path: string): boolean => path.startsWith(`${options.dir}/`) && pattern.test(path);
      return words.some((word, at) => /^(-pidfile|--socket)$/.test(word) && isOurs(words[at + 1] ?? ''));
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ESRCH')) return false;
      throw error;
    }
  }
}
