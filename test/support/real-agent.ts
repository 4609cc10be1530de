import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGuestConnector } from '../../src/adapters/guest/connector.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { AGENT_GENERATIONS, type AgentGenerations } from '../../src/protocol/guest.ts';

/** The guest agent as a process of this host, with a Unix socket instead of the virtio port. */
export interface RealAgent extends AsyncDisposable {
  socketPath: string;
  process: ChildProcess;
  /** Connects to the agent as a host that speaks `generations`. */
  connect(generations?: AgentGenerations): Promise<GuestAgent>;
}

/**
 * Builds the agent into `dir` and returns its path. It uses the flags of `scripts/build-go.sh`, so that Go's
 * build cache makes it quick.
 */
async function buildAgent(dir: string): Promise<string> {
  const program = join(dir, 'banger-agent');
  await exec(['go', 'build', '-trimpath', '-buildvcs=false', '-o', program, '.'], {
    cwd: join(import.meta.dirname, '../../agent'),
    env: { ...process.env, CGO_ENABLED: '0' },
    signal: neverAborts(),
  });
  return program;
}

/** Starts the agent `program`; disposing ends it. */
export async function startAgent(program: string): Promise<RealAgent> {
  const dir = await mkdtemp(join(tmpdir(), 'agent-'));
  const socketPath = join(dir, 's');
  // The files of a personalisation go to a folder instead of the host's root.
  const root = join(dir, 'root');
  await mkdir(root);
  const child = spawn(program, ['serve', '-socket', socketPath, '-root', root], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  return {
    socketPath,
    process: child,
    connect: (generations = AGENT_GENERATIONS) =>
      createGuestConnector({ generations }).connect(
        { kind: 'unix', path: socketPath },
        { signal: neverAborts(), helloDeadlineMs: 20_000 },
      ),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await rm(dir, { recursive: true });
    },
  };
}

/** An agent of a test file, and a link to it. */
export interface AgentLab extends AsyncDisposable {
  /** an empty folder, removed on dispose */
  readonly dir: string;
  readonly link: GuestAgent;
  /** Starts another agent, which the caller disposes. */
  startAnother(): Promise<RealAgent>;
}

/** Builds the agent, starts it and connects to it. */
export async function openAgentLab(): Promise<AgentLab> {
  const dir = await mkdtemp(join(tmpdir(), 'link-'));
  const program = await buildAgent(dir);
  const agent = await startAgent(program);
  const link = await agent.connect();
  return {
    dir,
    link,
    startAnother: () => startAgent(program),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await agent[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
