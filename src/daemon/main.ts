import { realpathSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { dirname, join } from 'node:path';
import { AppError, messageOf } from '../base/errors.ts';
import { ensurePrivateDir } from '../base/files/private-dir.ts';
import { createLogger } from '../base/log.ts';
import { withoutDaemonSettings } from '../config/daemon-process.ts';
import { loadSettings } from '../config/load-settings.ts';
import { NODE_FLAGS } from '../config/node-flags.ts';
import { processEnvironment } from '../config/settings.ts';
import { buildInfo } from '../protocol/build-info.ts';
import { type ComposeOptions, compose, OFFLINE_RECORDS } from './compose.ts';
import { LogFile } from './log/log-file.ts';
import { OFFLINE_WORDS, runOffline } from './offline/offline.ts';
import { serve } from './serve.ts';

// The program `bangerd`. Without arguments it is the daemon; the command line starts it when it is needed. It
// exits with status 0 when another daemon already runs, and with 1 and a line on stderr when it cannot start.
// A daemon that has served ends by killing itself. `offline/offline.ts` says what its arguments do.

/**
 * `ms` after which Node's compile cache is written for the next daemon: once the first commands have run. Not
 * at the end, when the user who stopped the daemon may be deleting its folders.
 */
const KEEP_CODE_AFTER_MS = 5_000;

/** Ends the process at once: everything is closed, and Node's own exit may hang (config/node-flags.ts). */
function endNow(): never {
  process.kill(process.pid, 'SIGKILL');
  return process.exit(1);
}

async function main(): Promise<boolean> {
  const env = withoutDaemonSettings(processEnvironment());
  const settings = loadSettings(env);
  const [word] = process.argv.slice(2);
  if (word !== undefined) {
    await offline(word, { settings, env });
    return false;
  }
  const { paths, logLevel } = settings;
  await ensurePrivateDir(paths.stateDir);
  using file = new LogFile(paths.daemonLogFile);
  const log = createLogger((line) => file.write(line), { level: logLevel, fields: { component: 'daemon' } });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => stop.abort());
  process.on('uncaughtException', (error) => {
    log.error('the daemon fails: this is a bug', { error });
    process.stderr.write(`bangerd: this is a bug: ${messageOf(error)}\n`);
    endNow();
  });
  const uid = process.getuid?.() ?? 0;
  const build = buildInfo();
  return await serve({
    settings,
    build,
    log,
    env,
    uid,
    signal: stop.signal,
    compose: (chosen) =>
      compose({ settings: { ...settings, paths: chosen }, env, uid, ...companions(), build, log }),
    onListening: () => void setTimeout(() => flushCompileCache(), KEEP_CODE_AFTER_MS).unref(),
  });
}

/** Does what an argument asks for, instead of being the daemon. */
async function offline(
  word: string,
  { settings, env }: Pick<ComposeOptions, 'settings' | 'env'>,
): Promise<void> {
  const known = OFFLINE_WORDS.find((one) => one === word);
  if (!known)
    throw new AppError('USAGE_ARGUMENTS', `Cannot use "${word}": it is none of ${OFFLINE_WORDS.join(', ')}`);
  const { paths } = settings;
  const log = createLogger(() => {}, { level: 'error', fields: {} });
  const build = buildInfo();
  const uid = process.getuid?.() ?? 0;
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => stop.abort());
  const { status, text } = await runOffline(known, {
    paths,
    build,
    records: OFFLINE_RECORDS,
    signal: stop.signal,
    compose: (recordsFile) => {
      const chosen = { ...settings, hasPool: false, paths: { ...paths, recordsFile } };
      return compose({ settings: chosen, env, uid, ...companions(), build, log });
    },
  });
  process.stdout.write(`${text}\n`);
  process.exitCode = status;
}

/** The other programs of this installation: beside the bundle and its folder, or in the source tree. */
function companions(): Pick<ComposeOptions, 'agentDir' | 'hostToolsDir' | 'receiver'> {
  const program = realpathSync(process.argv[1] ?? '');
  const [root, receiver] = program.endsWith('.ts')
    ? ['../..', '../adapters/vmm/qemu/save/receive-main.ts']
    : ['..', 'banger-receive.cjs'];
  const path = (name: string): string => join(dirname(program), name);
  return {
    agentDir: path(join(root, 'agent', 'bin')),
    hostToolsDir: path(join(root, 'host', 'bin')),
    receiver: [process.execPath, ...NODE_FLAGS, path(receiver)],
  };
}

main().then(
  (hasServed) => (hasServed ? endNow() : process.exit()),
  (error: unknown) => {
    process.stderr.write(`bangerd: ${messageOf(error)}\n`);
    process.exit(1);
  },
);
