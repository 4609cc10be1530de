import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { neverAborts, poll } from '../../src/base/abort.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import { openTmux, type TmuxTerminal } from './support/tmux.ts';

const BANGER = fileURLToPath(new URL('../../bin/banger', import.meta.url));

/** Prompt of the guest's shell. */
const GUEST = /^guest#$/;

describe('a terminal with a shell of a VM', () => {
  let lab: Lab;
  let terminal: TmuxTerminal;
  let modes: string;

  before(async () => {
    lab = await openLab();
    await lab.text(['vm', 'create', '--name', 'box', ...SMALL]);
  });
  after(() => lab[Symbol.asyncDispose]());
  beforeEach(async () => {
    terminal = openTmux(lab.scratch, lab.env);
    await terminal.prompts();
    modes = await terminal.modes();
  });
  afterEach(() => terminal[Symbol.dispose]());

  /** Gets a shell in the guest. */
  async function enterGuest(): Promise<void> {
    terminal.enter(`clear; ${BANGER} vm exec -e PS1='guest# ' box -- bash --norc`);
    await terminal.shows(GUEST);
  }

  /** Leaves the guest's shell and expects the terminal to be as it was. */
  async function leaveGuest(): Promise<void> {
    terminal.enter('exit 7');
    await terminal.shows(/^host\$$/);
    terminal.enter('echo "status=$?"');
    await terminal.shows(/^status=7$/);
    assert.equal(await terminal.modes(), modes);
    assert.equal(terminal.isAlternate(), false);
  }

  /** The client in the terminal's foreground. */
  function clientPid(): number {
    const children = readFileSync(`/proc/${terminal.pid}/task/${terminal.pid}/children`, 'utf8');
    return Number(children.trim().split(' ').at(-1));
  }

  test('follows its size', async () => {
    await enterGuest();
    terminal.resize(101, 37);
    // The guest gets the new size a moment later.
    terminal.enter('clear; until [ "$(stty size)" = "37 101" ]; do :; done; stty size | tr " " x');
    await terminal.shows(/^37x101$/);
    await leaveGuest();
  });

  test('shows full-screen programs, which also follow its size, and restores the screen', async () => {
    await enterGuest();
    terminal.enter('clear; echo "before less"; seq 1 1000 | sed "s/^/line /" >/tmp/lines; less /tmp/lines');
    await terminal.shows(/^line 23$/);
    assert.ok(terminal.isAlternate());
    terminal.resize(80, 40);
    await terminal.shows(/^line 39$/);
    terminal.type('G');
    await terminal.shows(/^line 1000$/);
    terminal.type('q');
    await terminal.shows(/^before less$/);
    assert.equal(terminal.isAlternate(), false);

    terminal.enter('clear; vi -u NONE /tmp/written');
    await terminal.shows(/^~/);
    terminal.type('iwritten in the guest');
    terminal.press('Escape');
    terminal.enter(':wq');
    await terminal.shows(GUEST);
    terminal.enter('clear; tr a-z A-Z </tmp/written');
    await terminal.shows(/^WRITTEN IN THE GUEST$/);
    await leaveGuest();
  });

  test('sends Ctrl-C and Ctrl-Z to the guest, whose shell has jobs', async () => {
    await enterGuest();
    terminal.enter('clear; sleep 1000; echo "status $?"');
    await poll(async () => (await guestRuns('sleep 1000')) || undefined, waiting('sleep to run'));
    terminal.press('C-c');
    await terminal.shows(/^\^C$/);
    await poll(async () => !(await guestRuns('sleep 1000')) || undefined, waiting('sleep to end'));
    terminal.enter('clear; sleep 2000');
    await poll(async () => (await guestRuns('sleep 2000')) || undefined, waiting('sleep to run'));
    terminal.press('C-z');
    await terminal.shows(/Stopped\s+sleep 2000$/);
    // A job that was told to end may still count as running when the shell is left.
    terminal.enter('kill -KILL %1; wait; clear');
    await leaveGuest();
  });

  test('can be left by stopping the client, and entered again', async () => {
    await enterGuest();
    process.kill(clientPid(), 'SIGTSTP');
    await terminal.shows(/Stopped/);
    assert.equal(await terminal.modes(), modes);
    terminal.enter('clear; fg');
    // The output of the shell is gone from the screen; input now goes to the guest.
    terminal.enter('clear; echo still-$((40 + 2))-here');
    await terminal.shows(/^still-42-here$/);
    terminal.enter('clear; sleep 3000');
    await poll(async () => (await guestRuns('sleep 3000')) || undefined, waiting('sleep to run'));
    terminal.press('C-c');
    await terminal.shows(/^\^C$/);
    await leaveGuest();
  });

  test('of an unknown kind is replaced by a known one, and full-screen programs work', async () => {
    terminal.enter(`clear; TERM=xterm-ghostty ${BANGER} vm exec box -- sh -c 'tput cols; echo "<$TERM>"'`);
    await terminal.shows(/^<xterm-256color>$/);
    await terminal.shows(/^80$/);
  });

  test('accepts a paste of 1 MB completely', async () => {
    await enterGuest();
    const text = 'banger! '.repeat(125_000);
    terminal.enter('clear; stty raw -echo; echo ready; head -c 1000000 | sha256sum; stty sane');
    await terminal.shows(/^ready$/);
    terminal.paste(text);
    const sum = createHash('sha256').update(text).digest('hex');
    await terminal.shows(new RegExp(sum.slice(0, 60)));
    await leaveGuest();
  });

  test('may be closed at any time: client and command end, and the VM keeps running', async () => {
    await enterGuest();
    terminal.enter("clear; trap '' HUP; sleep 4000");
    await poll(async () => (await guestRuns('sleep 4000')) || undefined, waiting('sleep to run'));
    const pid = clientPid();
    terminal.close();
    await poll(() => (isThere(pid) ? undefined : true), waiting('the client to end'));
    await poll(async () => !(await guestRuns('sleep 4000')) || undefined, waiting('the command to end'));
    assert.equal((JSON.parse(await lab.text(['vm', 'show', 'box'])) as { state: string }).state, 'running');
  });

  async function guestRuns(commandLine: string): Promise<boolean> {
    const { code } = await lab.run(['vm', 'exec', '-T', 'box', '--', 'pgrep', '-fx', commandLine]);
    return code === 0;
  }

  function waiting(what: string): Parameters<typeof poll>[1] {
    return { everyMs: 200, deadlineMs: 60_000, what, signal: neverAborts() };
  }

  function isThere(pid: number): boolean {
    return readdirSync('/proc').includes(String(pid));
  }
});
