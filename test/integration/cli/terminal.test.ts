import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { type BundledCli, bundleCli } from '../../support/cli/bundled-cli.ts';
import { type CliLab, openCliLab } from '../../support/cli/cli-harness.ts';
import { openTerminal, type Terminal } from '../../support/cli/terminal.ts';
import { until } from '../../support/until.ts';

/** Prints the terminal's modes after the program, and how it ended. */
const THEN_MODES = 'echo "status=$?"; stty -a | tr ";" "\\n"; echo modes-end';

/** The prompt of a login shell, as root or not. */
const PROMPT = /[#$] $/;

describe('banger in a terminal', () => {
  let lab: CliLab;
  let cli: BundledCli;
  let terminal: Terminal | undefined;

  before(async () => {
    cli = await bundleCli();
  });
  after(() => cli[Symbol.dispose]());
  beforeEach(async () => {
    lab = await openCliLab();
  });
  afterEach(async () => {
    terminal?.[Symbol.dispose]();
    terminal = undefined;
    await lab[Symbol.asyncDispose]();
  });

  /** Starts a shell line with `banger` in it. */
  const open = (line: string, options: { cols?: number; rows?: number } = {}): Terminal => {
    const banger = `"${process.execPath}" "${cli.path}"`;
    const opened = openTerminal(['/bin/sh', '-c', line.replaceAll('banger', banger)], {
      env: { ...lab.env, BANGER_NO_PROGRESS: '' },
      ...options,
    });
    terminal = opened;
    return opened;
  };
  /** The modes of a terminal in a shell: keys make lines and signals, and are echoed. */
  const assertUsable = async (opened: Terminal): Promise<void> => {
    await opened.shows('modes-end');
    const words = opened.output().split('status=')[1]?.split(/\s+/) ?? [];
    for (const mode of ['icanon', 'echo', 'isig', 'opost', 'onlcr', 'icrnl', 'iexten']) {
      assert.ok(words.includes(mode), `${mode} is off`);
    }
    assert.equal(opened.isAlternate(), false);
  };

  test('gives a shell a terminal of the same size and kind, and prints a reminder that its VM still runs', async () => {
    const opened = open(`banger vm run; ${THEN_MODES}`, { cols: 93, rows: 31 });
    await opened.shows(PROMPT);
    opened.type('stty size; echo $TERM; tty -s && echo is-a-tty; exit 7\r');
    await opened.shows('modes-end');
    assert.match(opened.output(), /31 93\r\n.*xterm\r\n.*is-a-tty\r\n/s);
    assert.match(opened.output(), /vm "calm-otter" is still running; .*status=7/s);
    assert.deepEqual(lab.daemon.guests[0]?.start.pty, { rows: 31, cols: 93, term: 'xterm' });
    await assertUsable(opened);
  });

  test('removes the progress line before the command writes', async () => {
    const opened = open(`banger vm run --rm -- echo first; ${THEN_MODES}`);
    await assertUsable(opened);
    const lines = opened.screen().map((line) => line.trimEnd());
    assert.equal(lines[0], 'spec: 2 vcpu | 2048 MiB | 8G disk');
    assert.match(lines[1] ?? '', /^\[vm create\] ready in \d+\.\ds$/);
    assert.deepEqual(lines.slice(2, 4), ['first', 'status=0']);
  });

  test('sends Ctrl-C, Ctrl-Z and Ctrl-\\ to the guest', async () => {
    const opened = open(`banger vm run --rm; ${THEN_MODES}`);
    await opened.shows(PROMPT);
    opened.type("trap 'echo got-INT' INT; trap 'echo got-QUIT' QUIT; echo trap''ped\r");
    await opened.shows('trapped');
    opened.type('\u0003');
    await opened.shows('got-INT');
    opened.type('\u001c');
    await opened.shows('got-QUIT');
    opened.type('\u001a');
    opened.type('exit 0\r');
    await assertUsable(opened);
    assert.deepEqual(lab.daemon.guests[0]?.signals, []);
  });

  test('passes changes of the size of the terminal on to the guest', async () => {
    const opened = open(`banger vm run --rm; ${THEN_MODES}`);
    await opened.shows(PROMPT);
    opened.resize(101, 41);
    await until(() => lab.daemon.guests[0]?.sizes.at(-1)?.cols === 101);
    opened.type('stty size; exit\r');
    await opened.shows('41 101');
    await assertUsable(opened);
  });

  test('keeps the last line of the output when that has no line feed', async () => {
    const opened = open(`banger vm run --rm -- printf 'first\\nlast'; ${THEN_MODES}`);
    await assertUsable(opened);
    const lines = opened.screen().map((line) => line.trimEnd());
    assert.deepEqual(lines.slice(2, 5), ['first', 'last', 'status=0'], opened.output());
  });

  test('does not change the output: a bare line feed stays in its column', async () => {
    const script = 'stty -opost; printf "ab\\ncd\\n"';
    const opened = open(`banger vm run --rm -- sh -c '${script}'; ${THEN_MODES}`);
    await assertUsable(opened);
    assert.ok(opened.screen().includes('  cd'), opened.output());
  });

  test('accepts a paste of 1 MB without a loss', async () => {
    const script = 'stty raw -echo; echo guest-is-raw; head -c 1000000 | sha256sum';
    const opened = open(`banger vm run --rm -- sh -c '${script}'; ${THEN_MODES}`);
    await opened.shows('guest-is-raw');
    const paste = 'banger! '.repeat(125_000);
    opened.type(paste);
    const { createHash } = await import('node:crypto');
    await opened.shows(createHash('sha256').update(paste).digest('hex'));
    await assertUsable(opened);
  });

  test('restores the terminal when the daemon is lost during a full-screen program', async () => {
    const script = 'printf "\\033[?1049h\\033[?25l\\033[?2004hfull screen"; sleep 60';
    const opened = open(`banger vm run -- sh -c '${script}'; ${THEN_MODES}`);
    await opened.shows('full screen');
    await until(() => opened.isAlternate());
    await lab.daemon.die();
    await assertUsable(opened);
    assert.ok(opened.output().includes('\u001b[?25h'));
    assert.match(opened.output(), /banger:.* Lost the daemon.*status=125/s);
  });

  for (const [signal, status] of [
    ['TERM', 143],
    ['HUP', 129],
    ['QUIT', 131],
  ] as const) {
    test(`restores the terminal, deletes the VM and exits with ${status} on SIG${signal}`, async () => {
      const opened = open(
        `banger vm run --rm -- sh -c 'trap "" TERM HUP QUIT; echo pid=$PPID up; sleep 60'; ${THEN_MODES}`,
      );
      await opened.shows('up');
      // The program is the shell's child, and the only other process in its process group.
      const child = readFileSync(`/proc/${opened.pid}/task/${opened.pid}/children`, 'utf8').trim();
      process.kill(Number(child), `SIG${signal}`);
      await assertUsable(opened);
      assert.match(opened.output(), new RegExp(`status=${status}`));
      assert.equal(lab.daemon.vms.size, 0);
    });
  }

  test('leaves the terminal usable when it is ended while it sets the terminal up', async () => {
    // A stty that starts slowly, as on a busy host: it must not act after the terminal was restored.
    const bin = join(lab.home, 'bin');
    const done = join(lab.home, 'stty-done');
    const stty = execFileSync('sh', ['-c', 'command -v stty'], { encoding: 'utf8' }).trim();
    mkdirSync(bin);
    const slow = `#!/bin/sh\n[ "$1" = -opost ] || exec ${stty} "$@"\nsleep 0.5\n${stty} "$@"\ntouch ${done}\n`;
    writeFileSync(join(bin, 'stty'), slow, { mode: 0o755 });
    const opened = open(
      `PATH="${bin}:$PATH" banger vm run --rm -- sh -c 'echo $$ >${lab.home}/up; sleep 60'; ` +
        `while [ ! -e ${done} ]; do sleep 0.02; done; ${THEN_MODES}`,
    );
    await until(() => existsSync(join(lab.home, 'up')));
    const child = readFileSync(`/proc/${opened.pid}/task/${opened.pid}/children`, 'utf8').trim();
    process.kill(Number(child), 'SIGTERM');
    await assertUsable(opened);
  });

  test('restores the terminal when it fails because of a bug', async () => {
    const cue = join(lab.home, 'cue');
    const look = `if(existsSync("${cue}"))throw new Error("planted")`;
    const source = `import{existsSync}from"node:fs";setInterval(()=>{${look}},20)`;
    const planted = `data:text/javascript,${encodeURIComponent(source)}`;
    const opened = open(
      `NODE_OPTIONS='--import=${planted}' banger vm run -- sh -c 'printf "\\033[?1049hfull"; sleep 60'; ${THEN_MODES}`,
    );
    await opened.shows('full');
    writeFileSync(cue, '');
    await assertUsable(opened);
    assert.match(opened.output(), /\?1049l.*banger: this is a bug: planted\r\nstatus=1/s);
  });

  test('sets the terminal up again when it continues after a stop', async () => {
    const opened = open(
      `exec banger vm run --rm -- sh -c 'trap "echo got-INT" INT; echo up; while :; do sleep 0.05; done'`,
    );
    await opened.shows('up');
    process.kill(opened.pid, 'SIGSTOP');
    execFileSync('stty', ['-F', opened.device, 'sane']);
    process.kill(opened.pid, 'SIGCONT');
    await until(() => lab.daemon.guests[0]?.sizes.length === 1);
    await until(() =>
      execFileSync('stty', ['-a', '-F', opened.device], { encoding: 'utf8' }).includes('-isig'),
    );
    opened.type('\u0003');
    await opened.shows('got-INT');
  });

  test('ends the command and deletes the VM when the terminal goes away', async () => {
    const opened = open('exec banger vm run --rm -- sh -c "trap \'\' HUP; echo up; sleep 60"');
    await opened.shows('up');
    opened.hangUp();
    await until(() => lab.daemon.vms.size === 0 && lab.daemon.guests[0]?.isHungUp === true);
  });

  test('uses no terminal in a pipe, and Ctrl-C is then a signal for the command', async () => {
    const opened = open(
      `banger vm run --rm -- sh -c 'trap "echo got-INT; exit 9" INT; tty; echo up; sleep 60 & wait' | cat; ${THEN_MODES}`,
    );
    await opened.shows('up');
    assert.match(opened.output(), /not a tty/);
    // cat also gets the signal, as in any shell; the test shows that the guest gets it.
    opened.type('\u0003');
    await until(() => lab.daemon.guests[0]?.signals.includes('SIGINT') === true);
  });

  test('uses no terminal with --no-tty', async () => {
    const opened = open(
      `banger vm create --name web >/dev/null; banger vm exec -T web -- tty; ${THEN_MODES}`,
    );
    await opened.shows('not a tty');
    await assertUsable(opened);
  });

  test('Ctrl-C during the creation of the VM cancels it, and leaves a clean line', async () => {
    lab.daemon.createMs = 30_000;
    const opened = open(`banger vm run; ${THEN_MODES}`);
    await opened.shows('waiting for the guest');
    opened.type('\u0003');
    await until(() => lab.daemon.cancelledCount === 1);
    assert.equal(lab.daemon.vms.size, 0);
  });
});
