import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import type { Environment } from '../../../src/config/settings.ts';

/** `ms` for something to appear on the screen, in an emulated guest on a busy host. */
const SHOWN_DEADLINE_MS = 60_000;

/** Prompt of the shell on this host. */
const PROMPT = 'host$ ';

/** A terminal under tmux, with a shell of this host in it. */
export interface TmuxTerminal extends Disposable {
  /** the lines on the screen now, wrapped ones as one, without trailing blanks */
  screen(): string[];
  /** Waits until a line of the screen matches, and returns the screen. */
  shows(line: RegExp): Promise<string[]>;
  /** Waits until the shell of this host is at its prompt again, with nothing typed. */
  prompts(): Promise<void>;
  /** Types the text literally. */
  type(text: string): void;
  /** Types a line. */
  enter(line: string): void;
  /** Presses a key by tmux's name for it: `C-c`, `Escape`. */
  press(key: string): void;
  paste(text: string): void;
  resize(cols: number, rows: number): void;
  /** a full-screen program uses the screen */
  isAlternate(): boolean;
  /** the settings of the terminal according to the shell on this host (`stty -g`) */
  modes(): Promise<string>;
  /** process of the shell */
  readonly pid: number;
  /** Hangs up the terminal, as closing its window does. */
  close(): void;
}

let opened = 0;

/** Opens a terminal of 80 by 24; its server and socket are under `dir`. */
export function openTmux(dir: string, env: Environment): TmuxTerminal {
  // A new name each time, because a server that is ending may still answer for a moment.
  opened += 1;
  const server = ['-L', `test-${opened}`];
  const own = { ...env, TMUX_TMPDIR: dir, TERM: 'xterm', HISTFILE: '/dev/null' };
  delete (own as Record<string, unknown>)['TMUX'];
  const tmux = (args: readonly string[], input?: string): string => {
    const ran = spawnSync('tmux', [...server, '-f', '/dev/null', ...args], {
      env: own as NodeJS.ProcessEnv,
      encoding: 'utf8',
      ...(input === undefined ? {} : { input }),
    });
    assert.equal(ran.status, 0, `tmux ${args[0]}: ${ran.error ?? ran.stderr}`);
    return ran.stdout;
  };
  // tmux starts our shell with a shell that is not interactive and drops PS1 from the environment.
  const rc = join(dir, 'bashrc');
  writeFileSync(rc, `PS1='${PROMPT}'\n`);
  tmux(['new-session', '-d', '-x', '80', '-y', '24', `exec bash --noprofile --rcfile '${rc}' -i`]);
  tmux(['set-option', '-g', 'status', 'off']);
  const screen = (): string[] =>
    tmux(['capture-pane', '-p', '-J'])
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd());
  const until = async <T>(what: string, look: () => T | undefined): Promise<T> => {
    const waiting = { everyMs: 50, deadlineMs: SHOWN_DEADLINE_MS, what, signal: neverAborts() };
    return await poll(look, waiting).catch((error: unknown) => {
      throw new Error(`${what} never came; the screen is:\n${screen().join('\n')}`, { cause: error });
    });
  };
  const type = (text: string): void => void tmux(['send-keys', '-l', text]);
  const enter = (line: string): void => {
    type(line);
    tmux(['send-keys', 'Enter']);
  };
  let asked = 0;
  const terminal: TmuxTerminal = {
    screen,
    shows: (line) =>
      until(String(line), () => (screen().some((one) => line.test(one)) ? screen() : undefined)),
    async prompts() {
      await until('the prompt', () => (screen().at(-1) === PROMPT.trimEnd() ? true : undefined));
    },
    type,
    enter,
    press: (key) => void tmux(['send-keys', key]),
    paste(text) {
      tmux(['load-buffer', '-'], text);
      tmux(['paste-buffer', '-r']);
    },
    resize: (cols, rows) => void tmux(['resize-window', '-x', String(cols), '-y', String(rows)]),
    isAlternate: () => tmux(['display-message', '-p', '#{alternate_on}']).trim() === '1',
    async modes() {
      asked += 1;
      enter(`clear; echo "modes-${asked}=$(stty -g)=end"`);
      const found = new RegExp(`^modes-${asked}=([0-9a-f:]+)=end$`);
      await terminal.shows(found);
      return (
        screen()
          .map((line) => found.exec(line)?.[1])
          .find(Boolean) ?? ''
      );
    },
    pid: Number(tmux(['display-message', '-p', '#{pane_pid}'])),
    close: () => void tmux(['kill-server']),
    [Symbol.dispose]() {
      // The server may have ended with its last window.
      spawnSync('tmux', [...server, 'kill-server'], { env: own as NodeJS.ProcessEnv });
    },
  };
  return terminal;
}
