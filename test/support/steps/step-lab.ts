import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { SqliteVmRecords } from '../../../src/adapters/store/sqlite-vm-records.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import type { Paths } from '../../../src/config/paths.ts';
import { type Environment, resolvePaths } from '../../../src/config/settings.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import { type BangerClient, createClient } from '../../../src/sdk/client.ts';
import { removeTree } from '../../helpers/remove-tree.ts';
import { labEnv } from '../daemon-lab.ts';
import { CLIENT_ENDS } from './client-ends.ts';
import { residue, vmmsBelow } from './residue.ts';
import { mountSmallDisk } from './small-disk.ts';
import type { StepAction, StepDaemonOptions, StepReport } from './step-daemon.ts';

/** A daemon that can be told to kill itself, or others, at any of its steps. */
export interface StepLab extends AsyncDisposable {
  readonly paths: Paths;
  readonly client: BangerClient;
  /** the folder of the whole lab; a separate file system when the lab has a size */
  readonly mountedDir: string;
  /** what the daemon and its steps have written to stderr since its last start */
  said(): string;
  /** Starts the daemon unless it runs. Returns when it listens. */
  start(): Promise<void>;
  /** Arms `action` for the `at`th step from now on, counted from 1. */
  arm(at: number, action: StepAction): Promise<void>;
  /** Disarms, and returns what {@link arm} led to. The daemon itself may be gone. */
  report(): Promise<StepReport & { isDead: boolean }>;
  /** aborts at the step at which the action `client` takes place; a new one after each {@link report} */
  clientSignal(): AbortSignal;
  /** Kills the daemon. */
  kill(): Promise<void>;
  records(): VmRecord[];
  /** see `residue.ts` */
  residue(): Promise<string[]>;
  /** Frees the space that the action `full` took. */
  freeSpace(): Promise<void>;
}

const ROOT = join(import.meta.dirname, '../../..');

/** The program of the daemon, for all labs of a process: they also share what Node has compiled of it. */
let bundled: Promise<string> | undefined;

/** How a lab is made. */
export interface StepLabOptions {
  kind: StepDaemonOptions['kind'];
  /** for `qemu`; the folders of a `fake` are below the lab's */
  env?: (dir: string) => Environment;
  /** size in `bytes` of a separate file system for the lab, so that it can be filled; needs root */
  sizeBytes?: number;
  ownsCache: boolean;
  /** for a `fake`: it keeps a pool VM */
  hasStandby?: boolean | undefined;
}

/** Makes a lab without starting anything. Disposing kills the daemon and its VMMs and removes everything. */
export async function openStepLab({
  kind,
  env,
  sizeBytes,
  ownsCache,
  hasStandby = false,
}: StepLabOptions): Promise<StepLab> {
  // Short, because of the 107 bytes of a socket's path.
  const scratch = await mkdtemp(join(tmpdir(), 'st-'));
  bundled ??= bundle();
  const program = await bundled;
  const dir = join(scratch, 'd');
  await mkdir(dir, { mode: 0o700 });
  const disk = sizeBytes === undefined ? undefined : await mountSmallDisk(dir, sizeBytes);
  const environment = env?.(dir) ?? labEnv(dir);
  const paths = resolvePaths(environment);
  const options: StepDaemonOptions = {
    kind,
    dir,
    agentDir: join(ROOT, 'agent', 'bin'),
    hostToolsDir: join(ROOT, 'host', 'bin'),
    hasStandby,
  };
  let child: ChildProcess | undefined;
  let said = '';
  let clientGone = new AbortController();
  let ended: Promise<unknown> = Promise.resolve();
  const isDead = (): boolean => !child || child.exitCode !== null || child.signalCode !== null;
  const kill = async (): Promise<void> => {
    if (!child || isDead()) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  /**
   * Returns nothing when the daemon has ended. Its clients may notice that a moment earlier.
   */
  const ask = async (message: object | string): Promise<StepReport | undefined> => {
    if (!child || isDead()) return undefined;
    const { promise: answer, resolve } = Promise.withResolvers<StepReport>();
    const asked = child;
    const listen = (report: StepReport | string): void => {
      if (typeof report === 'string') return;
      asked.off('message', listen);
      resolve(report);
    };
    asked.on('message', listen);
    asked.send(message, () => {});
    return await Promise.race([answer, ended.then(() => undefined)]);
  };
  const client = createClient({ socketPath: paths.daemonSocket });
  return {
    paths,
    client,
    mountedDir: dir,
    said: () => said,
    async start() {
      if (!isDead()) return;
      said = '';
      const started = fork(program, [JSON.stringify(options)], {
        cwd: '/',
        execArgv: [],
        env: { ...environment, NODE_COMPILE_CACHE: join(dirname(program), 'code') },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      child = started;
      started.stderr?.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      started.on('message', (message) => {
        if (message === CLIENT_ENDS) clientGone.abort();
      });
      ended = once(started, 'exit');
      const died = ended.then(() => assert.fail(`the daemon ended: ${said}`));
      died.catch(() => {});
      if (started.stdout) await Promise.race([once(started.stdout, 'data'), died]);
    },
    async arm(at, action) {
      assert.ok(await ask({ at, action }), `the daemon has ended: ${said}`);
    },
    async report() {
      const report = await ask('report');
      clientGone = new AbortController();
      if (report) return { ...report, isDead: false };
      const hit = /^step ([0-9]+): (.*)$/m.exec(said);
      return { count: Number(hit?.[1]), hit: hit?.[2] ?? '?', isDead: true };
    },
    clientSignal: () => clientGone.signal,
    kill,
    records() {
      using records = new SqliteVmRecords(paths.recordsFile);
      return records.list();
    },
    async residue() {
      using records = new SqliteVmRecords(paths.recordsFile);
      const pool = isDead() ? undefined : (await client.daemonStatus({ signal: neverAborts() })).pool;
      return await residue(paths, records.list(), { ownsCache, poolVmIds: pool?.vmIds ?? [] });
    },
    freeSpace: () => rm(join(dir, 'filler'), { force: true }),
    async [Symbol.asyncDispose]() {
      await kill();
      for (const { pid } of await vmmsBelow(paths.vmRuntimeDir)) process.kill(pid, 'SIGKILL');
      await disk?.[Symbol.asyncDispose]();
      await removeTree(scratch);
    },
  };
}

/** Bundles the daemon into a folder of this process, which goes with it, and returns its path. */
async function bundle(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'step-daemon-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, 'daemon.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'step-daemon.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'silent',
    // daemon-lab.ts finds the agent by it.
    define: { 'import.meta.dirname': JSON.stringify(join(ROOT, 'test/support')) },
  });
  return outfile;
}
