import { dirname } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import type { Cast, Output } from './cast.ts';

/** What the commands of a recording run with. */
interface RecordOptions {
  env: NodeJS.ProcessEnv;
  /** the program; commands call it `banger` */
  banger: string;
  /** where commands start */
  folder: string;
}

const WIDTH = 92;
const HEIGHT = 30;

/** `ms` between two typed characters, and before and after a command is typed. */
const TYPING_MS = 35;
const PAUSE_MS = 700;

/** Longest pause in `ms` that a recording has; longer ones are cut to it. */
const MAX_GAP_MS = 2000;

const PROMPT = '\x1b[1;32m$\x1b[0m ';

/**
 * Runs commands one after another, each in a terminal of its own, and records what the terminal shows and
 * when. Only the prompts and the typing are made.
 *
 * @throws {Error} when a command fails, with its output.
 */
export async function recordSession(commands: readonly string[], options: RecordOptions): Promise<Cast> {
  const outputs: Output[] = [];
  let nowMs = 0;
  const show = (text: string, afterMs: number): void => {
    nowMs += afterMs;
    outputs.push({ atMs: nowMs, text });
  };
  for (const command of commands) {
    show(PROMPT, 0);
    for (const [index, character] of [...command].entries()) {
      show(character, index === 0 ? PAUSE_MS : TYPING_MS);
    }
    show('\r\n', PAUSE_MS / 2);
    await run(command, options, (text, afterMs) => show(text, Math.min(afterMs, MAX_GAP_MS)));
    nowMs += PAUSE_MS;
  }
  return { width: WIDTH, height: HEIGHT, outputs };
}

async function run(
  command: string,
  { env, banger, folder }: RecordOptions,
  onOutput: (text: string, afterMs: number) => void,
): Promise<void> {
  const pty = spawnPty('bash', ['-c', command], {
    cols: WIDTH,
    rows: HEIGHT,
    cwd: folder,
    name: 'xterm-256color',
    env: { ...stringsOf(env), PATH: `${dirname(banger)}:${env['PATH'] ?? ''}`, GIT_PAGER: 'cat' },
  });
  let lastAt = performance.now();
  let all = '';
  pty.onData((text) => {
    const at = performance.now();
    onOutput(text, at - lastAt);
    lastAt = at;
    all += text;
  });
  const status = await new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  if (status !== 0) throw new Error(`Cannot record "${command}": it ended with status ${status}: ${all}`);
}

function stringsOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
