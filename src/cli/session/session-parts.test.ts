import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FakeSignals } from '../../../test/support/cli/cli-harness.ts';
import { InterruptedError, listenToInterrupts } from '../context/interrupts.ts';
import { forwardSignals } from './forward-signals.ts';
import { TerminalModes } from './terminal-modes.ts';
import { wantsTerminal } from './wants-terminal.ts';

describe('wantsTerminal()', () => {
  const facts = { isStdinTerminal: true, isStdoutTerminal: true, isStderrTerminal: true, isShell: false };

  test('gives a command a terminal when all three streams are terminals', () => {
    assert.equal(wantsTerminal(facts), true);
    for (const pipe of ['isStdinTerminal', 'isStdoutTerminal', 'isStderrTerminal'] as const) {
      assert.equal(wantsTerminal({ ...facts, [pipe]: false }), false, pipe);
    }
  });

  test('gives a shell one even if stderr is a file', () => {
    assert.equal(wantsTerminal({ ...facts, isShell: true, isStderrTerminal: false }), true);
    assert.equal(wantsTerminal({ ...facts, isShell: true, isStdinTerminal: false }), false);
  });

  test('follows the options of the user', () => {
    assert.equal(wantsTerminal({ ...facts, isForced: false }), false);
    assert.equal(wantsTerminal({ ...facts, isStdinTerminal: false, isForced: true }), true);
  });
});

describe('TerminalModes', () => {
  const seen = (...chunks: string[]): string => {
    const modes = new TerminalModes();
    for (const chunk of chunks) modes.see(Buffer.from(chunk, 'latin1'));
    return modes.undo();
  };

  test('undoes what a full-screen program left on', () => {
    assert.equal(
      seen('\u001b[?1049h\u001b[?25l\u001b[?1000;1006h'),
      '\u001b[?1049l\u001b[?1000l\u001b[?1006l\u001b[?25h\u001b[0m',
    );
  });

  test('undoes neither what the program has undone itself nor modes that it does not know', () => {
    assert.equal(seen('\u001b[?1049h text \u001b[?1049l\u001b[?25l\u001b[?25h'), '');
    assert.equal(seen('plain \u001b[31mred\u001b[0m \u001b[?7h'), '');
  });

  test('forgets what it has undone', () => {
    const modes = new TerminalModes();
    modes.see(Buffer.from('\u001b[?2004h'));
    assert.notEqual(modes.undo(), '');
    assert.equal(modes.undo(), '');
  });

  test('works however the output is split into chunks', () => {
    const part = fc.constantFrom(
      '\u001b',
      '[',
      '?',
      '1049',
      '25',
      ';',
      'h',
      'l',
      'x',
      '\u001b[?1049h',
      '\u001b[?25l',
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 30 }),
        fc.array(fc.nat(40), { maxLength: 6 }),
        (parts, cuts) => {
          const text = parts.join('');
          const at = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
          const chunks = at.slice(1).map((end, i) => text.slice(at[i], end));
          assert.equal(seen(...chunks), seen(text));
        },
      ),
    );
  });
});

describe('forwardSignals()', () => {
  function setUp(hasTerminal: boolean) {
    const source = new FakeSignals();
    const interrupts = listenToInterrupts(source);
    const sent: string[] = [];
    const forwarding = forwardSignals({ interrupts, send: (signal) => sent.push(signal), hasTerminal });
    const dispose = (): void => {
      forwarding[Symbol.dispose]();
      interrupts[Symbol.dispose]();
    };
    return { source, interrupts, sent, forwarding, dispose };
  }

  test('passes different signals on', () => {
    const { source, interrupts, sent, dispose } = setUp(false);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT'] as const) source.send(signal);
    assert.deepEqual(sent, ['SIGINT', 'SIGTERM', 'SIGQUIT']);
    assert.equal(interrupts.signal.aborted, false);
    dispose();
  });

  test('ends the client when the same signal comes twice within 2 s, but not when it comes later', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const now = t.mock.method(performance, 'now', () => 0);
    const { source, interrupts, sent, dispose } = setUp(false);
    source.send('SIGINT');
    now.mock.mockImplementation(() => 2_001);
    source.send('SIGINT');
    assert.equal(interrupts.signal.aborted, false);
    now.mock.mockImplementation(() => 3_000);
    source.send('SIGINT');
    assert.equal(interrupts.signal.aborted, true);
    assert.deepEqual(sent, ['SIGINT', 'SIGINT']);
    dispose();
  });

  test('with a terminal passes SIGINT on, and ends the client for all others', () => {
    for (const [signal, status] of [
      ['SIGTERM', 143],
      ['SIGHUP', 129],
      ['SIGQUIT', 131],
    ] as const) {
      const { source, interrupts, sent, dispose } = setUp(true);
      source.send('SIGINT');
      source.send(signal);
      assert.deepEqual(sent, ['SIGINT']);
      const { reason } = interrupts.signal;
      assert.ok(reason instanceof InterruptedError);
      assert.equal(reason.exitCode, status);
      dispose();
    }
  });

  test('stops with its disposal: then signals end the client again', () => {
    const { source, interrupts, sent, forwarding, dispose } = setUp(false);
    forwarding[Symbol.dispose]();
    source.send('SIGINT');
    assert.deepEqual(sent, []);
    assert.equal(interrupts.signal.aborted, true);
    dispose();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])
      assert.equal(source.listenerCount(signal), 0);
  });
});
