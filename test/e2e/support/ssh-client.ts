import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from './lab.ts';

/** `ms` for a program that connects to an emulated guest on a busy host. */
const DEADLINE_MS = 120_000;

/** How a program ended, and what it printed. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Programs of a user whose ssh configuration `banger ssh-config --install` has edited. */
export interface SshClient {
  /** the user's home folder */
  home: string;
  /** the user's ssh configuration; ssh(1) itself looks in the home folder of the user database */
  config: string;
  run(argv: readonly [string, ...string[]], input?: string): Ended;
  /** Runs a program, expects status 0 and returns stdout. */
  text(argv: readonly [string, ...string[]], input?: string): string;
  ssh(...words: string[]): Ended;
}

/** The environment of a lab for {@link sshClient}; its own home folder, so that no other is changed. */
export function sshHome(scratch: string): { HOME: string } {
  const HOME = join(scratch, 'h');
  mkdirSync(HOME, { recursive: true });
  return { HOME };
}

/** A client with the lab's environment. `prefix` precedes each command: words that change the user. */
export function sshClient(lab: Lab, prefix: readonly string[] = []): SshClient {
  const home = lab.env['HOME'] ?? '';
  const config = join(home, '.ssh', 'config');
  const ssh = `ssh -F ${config}`;
  const env = { ...lab.env, HOME: home, GIT_SSH_COMMAND: ssh, RSYNC_RSH: ssh } as NodeJS.ProcessEnv;
  const run = (argv: readonly [string, ...string[]], input = ''): Ended => {
    const [program = '', ...words] = [...prefix, ...argv];
    const { status, stdout, stderr } = spawnSync(program, words, {
      cwd: home,
      env,
      input,
      timeout: DEADLINE_MS,
    });
    return { status, stdout: String(stdout), stderr: String(stderr) };
  };
  return {
    home,
    config,
    run,
    text(argv, input) {
      const { status, stdout, stderr } = run(argv, input);
      if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}: ${stderr}`);
      return stdout;
    },
    ssh: (...words) => run(['ssh', '-F', config, '-o', 'BatchMode=yes', ...words]),
  };
}
