import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostProcesses } from '../../../scripts/test/processes.ts';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { isErrno } from '../../../src/base/errors.ts';
import type { Paths } from '../../../src/config/paths.ts';
import { type Environment, processEnvironment, resolvePaths } from '../../../src/config/settings.ts';
import { removeTree } from '../../helpers/remove-tree.ts';
import { hungCommand } from './hung-command.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** `ms` for leftovers to disappear on a machine that is busy emulating. */
const GONE_DEADLINE_MS = 120_000;

/**
 * `ms` that a command may take; the longest one of the tests needs a minute. A command that hangs fails only
 * its test, with what is known about it, not the whole run.
 */
const COMMAND_DEADLINE_MS = 4 * 60_000;

const STANDBY_WAIT = {
  everyMs: 100,
  deadlineMs: GONE_DEADLINE_MS,
  what: 'a pool VM',
  signal: neverAborts(),
};

/** What a command printed and how it ended. */
export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

/** A running `banger`. */
export interface RunningCommand {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  /** what it has written to stderr so far */
  stderr(): string;
  stdout(): Buffer;
  done: Promise<Ran>;
}

/** The built program with records, sockets and a daemon of its own, and the user's images. */
export interface Lab extends AsyncDisposable {
  readonly env: Environment;
  readonly paths: Paths;
  readonly scratch: string;
  start(args: readonly string[], options?: RunOptions): RunningCommand;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** runs a command, expects status 0 and returns stdout as text */
  text(args: readonly string[], options?: RunOptions): Promise<string>;
  daemonPid(): Promise<number>;
  /** Kills the daemon, and returns once it has ended: nothing connects to it any more. */
  killDaemon(): Promise<void>;
  /** waits until there is a pool VM, and returns the id of the one that the next start claims */
  standby(): Promise<string>;
  /** the ids of the pool VMs that are ready */
  poolVmIds(): Promise<string[]>;
  /**
   * names of everything that is left of VMs: records, folders, processes; empty when only pool VMs are left
   */
  leftovers(): Promise<string[]>;
  /** waits until {@link leftovers} is empty */
  nothingLeft(): Promise<void>;
}

/** Where and with what input a command runs. */
export interface RunOptions {
  cwd?: string;
  /** `bin/banger` of another checkout */
  program?: string;
  /** added to the environment of the lab */
  env?: Environment;
  input?: NodeJS.ReadableStream | Buffer;
  /** `ms`; default: four minutes */
  deadlineMs?: number;
}

/** How a lab is made. */
export interface LabOptions {
  /** added to the environment */
  env?: Environment;
  /** words before every command, such as those that change the user */
  prefix?: readonly string[];
  scratch?: string;
  /** keeps a pool VM, as a user's daemon does; without it, no start depends on earlier ones */
  hasStandby?: boolean;
}

/** Small VMs, so that several fit and boot soon. */
export const SMALL = ['--memory', '512', '--disk-size', '1G', '--system-overlay-size', '1G'] as const;

/** The daemons of several labs, and the user's own, run at the same time. */
const ANY_PORTS = 'dns_port = 0\ngateway_port = 0\n';

/**
 * Makes a lab; nothing runs until a command is run. Disposing deletes its VMs, ends its daemon, and removes
 * its folder.
 */
export async function openLab({
  env: added,
  prefix = [],
  scratch: given,
  hasStandby = false,
}: LabOptions = {}): Promise<Lab> {
  // Short, because of the 107 bytes of a socket's path.
  const scratch = given ?? (await mkdtemp(join(tmpdir(), 'be-')));
  const env: Environment = {
    ...processEnvironment(),
    XDG_STATE_HOME: join(scratch, 's'),
    XDG_RUNTIME_DIR: join(scratch, 'r'),
    XDG_CONFIG_HOME: join(scratch, 'c'),
    ...added,
  };
  const paths = resolvePaths(env);
  await mkdir(dirname(paths.configFile), { recursive: true });
  await writeFile(paths.configFile, `${hasStandby ? '' : 'standby = false\n'}${ANY_PORTS}`);
  const running = new Set<RunningCommand>();
  const start = (
    args: readonly string[],
    { cwd, input, program, env: more, deadlineMs = COMMAND_DEADLINE_MS }: RunOptions = {},
  ): RunningCommand => {
    const [first = '', ...words] = [...prefix, program ?? join(ROOT, 'bin', 'banger'), ...args];
    const child = spawn(first, words, { cwd: cwd ?? scratch, env: { ...env, ...more }, stdio: 'pipe' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => {});
    if (input === undefined) child.stdin.end();
    else if (Buffer.isBuffer(input)) child.stdin.end(input);
    else input.pipe(child.stdin);
    const stderr = (): string => Buffer.concat(err).toString();
    const stdout = (): Buffer => Buffer.concat(out);
    let hung: Promise<Error> | undefined;
    const deadline = setTimeout(() => {
      hung = hungCommand(args, { paths, scratch, output: stdout() + stderr() });
      void hung.then(() => child.kill('SIGKILL'));
    }, deadlineMs);
    const done = new Promise<Ran>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearTimeout(deadline);
        running.delete(command);
        if (hung) void hung.then(reject);
        else resolve({ code, signal, stdout: stdout(), stderr: stderr() });
      });
    });
    const kill = (signal: NodeJS.Signals): void => void child.kill(signal);
    const command: RunningCommand = { pid: child.pid ?? 0, kill, stderr, stdout, done };
    running.add(command);
    return command;
  };
  const run = (args: readonly string[], options?: RunOptions): Promise<Ran> => start(args, options).done;
  const text = async (args: readonly string[], options?: RunOptions): Promise<string> => {
    const ran = await run(args, options);
    if (ran.code !== 0) throw new Error(`banger ${args.join(' ')} ended with ${ran.code}: ${ran.stderr}`);
    return ran.stdout.toString();
  };
  const daemonStatus = async (): Promise<{ pid: number; pool?: { vmIds: string[] } }> =>
    JSON.parse(await text(['daemon', 'status', '--json'])) as { pid: number; pool?: { vmIds: string[] } };
  const poolVmIds = async (): Promise<string[]> => (await daemonStatus()).pool?.vmIds ?? [];
  const list = async (): Promise<{ name: string }[]> =>
    JSON.parse(await text(['vm', 'list', '--all', '--json'])) as { name: string }[];
  const leftovers = async (): Promise<string[]> => {
    const records = await list();
    const waiting = await poolVmIds();
    const found = [
      ...records.map(({ name }) => `record ${name}`),
      ...(await namesIn(paths.vmsDir)),
      ...(await namesIn(paths.vmBasesDir)),
      ...(await namesIn(paths.vmRuntimeDir)),
      ...processesNaming(paths.vmRuntimeDir),
    ];
    return found.filter((what) => !waiting.some((id) => what.includes(id)));
  };
  return {
    env,
    paths,
    scratch,
    start,
    run,
    text,
    daemonPid: async () => (await daemonStatus()).pid,
    async killDaemon() {
      const { pid } = await daemonStatus();
      process.kill(pid, 'SIGKILL');
      await hasEnded(pid);
    },
    standby: async () => await poll(async () => (await poolVmIds())[0], STANDBY_WAIT),
    poolVmIds,
    leftovers,
    async nothingLeft() {
      let found: string[] = [];
      const look = async (): Promise<true | undefined> => {
        found = await leftovers();
        return found.length === 0 ? true : undefined;
      };
      const waiting = {
        everyMs: 250,
        deadlineMs: GONE_DEADLINE_MS,
        what: 'nothing to be left',
        signal: neverAborts(),
      };
      await poll(look, waiting).catch((error: unknown) => {
        throw new Error(`still there: ${found.join(', ')}`, { cause: error });
      });
    },
    async [Symbol.asyncDispose]() {
      for (const command of running) command.kill('SIGKILL');
      const vms = await list();
      for (const { name } of vms) await run(['vm', 'delete', name]);
      await run(['daemon', 'stop']);
      await removeTree(scratch);
    },
  };
}

/** Waits until a process has ended. One that nobody has waited for yet, a zombie, has. */
export async function hasEnded(pid: number): Promise<void> {
  const waiting = {
    everyMs: 20,
    deadlineMs: GONE_DEADLINE_MS,
    what: `process ${pid} to end`,
    signal: neverAborts(),
  };
  await poll(() => (hostProcesses().some((one) => one.pid === pid) ? undefined : true), waiting);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).map((name) => join(folder, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Processes, of any user, whose command line names a file under `folder`. */
function processesNaming(folder: string): string[] {
  return hostProcesses().flatMap(({ pid, argv }) => {
    const path = argv.find((word) => word.includes(`${folder}/`));
    return path === undefined ? [] : [`process ${pid} of ${path}`];
  });
}
