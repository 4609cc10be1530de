import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FakeOutput } from '../../../test/support/cli/cli-harness.ts';
import { AppError, BugError } from '../../base/errors.ts';
import type { DoctorCheck } from '../../protocol/api/daemon.ts';
import { createSink } from '../context/output.ts';
import { harmless } from '../context/pass-text.ts';
import { doctorReport } from '../doctor/render-doctor.ts';
import { renderError, renderErrorJson } from './error.ts';
import { formatAge, formatElapsed, specLine } from './format.ts';
import { createProgress, type ProgressMode, progressMode } from './progress.ts';
import { createStyle } from './style.ts';
import { fitColumns, renderTable } from './table.ts';

const plain = createStyle({ isColored: false });
const colored = createStyle({ isColored: true });

describe('renderTable()', () => {
  test('aligns columns with two spaces, and leaves none at the end', () => {
    assert.equal(
      renderTable([
        ['ID', 'NAME', ''],
        ['1', 'web', ''],
        ['22', 'a', 'x'],
      ]),
      'ID  NAME\n1   web\n22  a     x\n',
    );
  });

  test('cuts lines to the width, and removes control characters', () => {
    assert.equal(renderTable([['abcdef\u001b[2J', 'xyz']], 8), 'abcdef …\n');
    const wide = [
      ['NAME', 'PATH'],
      ['web', '/srv/a/long/way'],
    ];
    assert.equal(renderTable(wide, 16), 'NAME  PATH\nweb   /srv/a/lo…\n');
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string(), { minLength: 2, maxLength: 4 })),
        fc.integer({ min: 2, max: 60 }),
        (rows, width) => {
          for (const line of renderTable(rows, width).split('\n')) assert.ok(line.length <= width);
        },
      ),
    );
  });
});

describe('fitColumns()', () => {
  const rows = [
    ['ID', 'NAME', 'STATE', 'NOTE'],
    ['1', 'web', 'running', 'a note'],
  ];
  const headingAt = (width: number | undefined): string =>
    fitColumns(rows, { width, leaveOut: ['NOTE', 'STATE', 'NOWHERE'] })[0]?.join() ?? '';

  test('leaves out as few columns as possible, in the given order, and none without a width', () => {
    assert.equal(headingAt(undefined), 'ID,NAME,STATE,NOTE');
    assert.equal(headingAt(25), 'ID,NAME,STATE,NOTE');
    assert.equal(headingAt(24), 'ID,NAME,STATE');
    assert.equal(headingAt(16), 'ID,NAME');
    assert.equal(headingAt(2), 'ID,NAME');
  });
});

describe('formats', () => {
  test('of the spec line, times and ages', () => {
    const shape = { vcpuCount: 4, memoryMib: 8192, diskSizeBytes: 8 * 2 ** 30, systemOverlaySizeBytes: 1 };
    assert.equal(specLine(shape), 'spec: 4 vcpu | 8192 MiB | 8G disk');
    assert.deepEqual([0, 1_249, 59_949, 60_000, 125_000].map(formatElapsed), [
      '0.0s',
      '1.2s',
      '59.9s',
      '1m00s',
      '2m05s',
    ]);
    const at = (secondsAgo: number): string => new Date(1e12 - secondsAgo * 1000).toISOString();
    const ages = [-5, 0, 1, 59, 60, 7_200, 86_400 * 3].map((seconds) => formatAge(at(seconds), 1e12));
    assert.deepEqual(ages, [
      '0 seconds ago',
      '0 seconds ago',
      '1 second ago',
      '59 seconds ago',
      '1 minute ago',
      '2 hours ago',
      '3 days ago',
    ]);
    assert.equal(formatAge('not a time', 0), 'not a time');
  });
});

describe('createProgress()', () => {
  const show = (mode: ProgressMode, columns = 80): string => {
    const output = new FakeOutput({ isTTY: true, columns });
    using progress = createProgress(createSink(output), { mode, style: plain });
    progress.step('vm create', 'boot: starting');
    progress.step('vm create', 'boot: starting');
    progress.line('warning: slow');
    progress.step('vm create', 'boot: waiting');
    progress.clear();
    progress.clear();
    return output.text;
  };
  const erase = '\r\u001b[K';

  test('inline overwrites one line, keeps it below permanent lines, and clears it', () => {
    assert.equal(
      show('inline'),
      `${erase}[vm create] boot: starting${erase}warning: slow\n${erase}[vm create] boot: starting${erase}[vm create] boot: waiting${erase}`,
    );
  });

  test('inline never fills the line, because the terminal would wrap it', () => {
    for (const line of show('inline', 20).split(/[\r\n]/)) {
      assert.ok(line.replace('\u001b[K', '').length < 20, line);
    }
  });

  test('lines prints each step once', () => {
    assert.equal(show('lines'), '[vm create] boot: starting\nwarning: slow\n[vm create] boot: waiting\n');
  });

  test('quiet prints only permanent lines', () => {
    assert.equal(show('quiet'), 'warning: slow\n');
  });

  test('counts the seconds of a long step', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const now = t.mock.method(performance, 'now', () => 0);
    const output = new FakeOutput({ isTTY: true });
    using progress = createProgress(createSink(output), { mode: 'inline', style: plain });
    progress.step('image build', 'unpack');
    now.mock.mockImplementation(() => 3_100);
    t.mock.timers.tick(1_000);
    assert.match(output.text, /\[image build\] unpack \(3 s\)$/);
    progress.clear();
    t.mock.timers.tick(5_000);
    assert.ok(output.text.endsWith(erase));
  });

  test('removes control characters from the text of a tool or a guest', () => {
    const output = new FakeOutput({ isTTY: true });
    using progress = createProgress(createSink(output), { mode: 'lines', style: plain });
    progress.step('image build', 'a\u001b]0;x\u0007\nb');
    assert.equal(output.text, '[image build] a ]0;x b\n');
  });

  test('has a mode for each kind of stderr', () => {
    const mode = (isTerminal: boolean, isVerbose: boolean, isPlain: boolean): ProgressMode =>
      progressMode({ isTerminal, isVerbose, isPlain });
    assert.equal(mode(true, false, false), 'inline');
    assert.equal(mode(true, false, true), 'lines');
    assert.equal(mode(true, true, false), 'lines');
    assert.equal(mode(false, false, false), 'quiet');
    assert.equal(mode(false, false, true), 'quiet');
    assert.equal(mode(false, true, false), 'lines');
  });
});

describe('renderError()', () => {
  const options = { style: plain, logPath: '/log', isDebug: false };

  test('prints the message, the causes and the hint', () => {
    const error = new AppError('A_B', 'Cannot do "x"', {
      hint: 'do y',
      cause: new Error('one', { cause: new Error('two') }),
    });
    assert.equal(
      renderError(error, options),
      'banger: Cannot do "x"\n  cause: one\n  cause: two\n  hint: do y\n',
    );
  });

  test('reports an unexpected error as a bug, and names the log; prints the stack only for debugging', () => {
    for (const bug of [new BugError('oh'), new TypeError('oh'), 'oh', new AppError('INTERNAL_BUG', 'oh')]) {
      assert.equal(renderError(bug, options), 'banger: this is a bug: oh\n  log: /log\n');
    }
    assert.match(renderError(new BugError('oh'), { ...options, isDebug: true }), /\n {4}at /);
    assert.equal(renderError('oh', { ...options, logPath: undefined }), 'banger: this is a bug: oh\n');
  });

  test('prints the first error even if a cleanup failed after it', () => {
    const error = new SuppressedError(
      new Error('socket busy'),
      new AppError('A_B', 'Cannot do "x"', { hint: 'h' }),
      'An error was suppressed',
    );
    assert.equal(
      renderError(error, options),
      'banger: Cannot do "x"\n  cause: cleanup also failed: socket busy\n  hint: h\n',
    );
    assert.equal((JSON.parse(renderErrorJson(error)) as { error: { code: string } }).error.code, 'A_B');
  });

  test('never prints control characters, whatever was thrown', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.integer(), fc.constantFrom(null, undefined)),
        fc.string(),
        (thrown, text) => {
          for (const error of [thrown, new AppError('A_B', text, { hint: text, cause: thrown })]) {
            // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none but line feeds
            assert.doesNotMatch(renderError(error, options), /[\u0000-\u0009\u000b-\u001f\u007f]/);
            JSON.parse(renderErrorJson(error));
          }
        },
      ),
    );
  });

  test('uses colours only when they are on', () => {
    const text = renderError(new AppError('A', 'm'), { ...options, style: colored });
    assert.equal(text, '\u001b[31mbanger:\u001b[39m m\n');
  });
});

describe('doctorReport()', () => {
  const checks: DoctorCheck[] = [
    { name: 'qemu', status: 'pass', message: '7.2', details: ['path /usr/bin/qemu'] },
    { name: 'mmdebstrap', status: 'fail', message: 'missing', fix: 'apt install mmdebstrap' },
    { name: 'kvm', status: 'warn', message: 'none' },
  ];

  test('prints findings, how to fix them, and a summary', () => {
    assert.equal(
      doctorReport({ checks, fixed: [] }, { style: plain, width: undefined, isVerbose: false }),
      'pass  qemu        7.2\nfail  mmdebstrap  missing\n                  fix: apt install mmdebstrap\nwarn  kvm         none\n1 passed, 1 warned, 1 failed\n',
    );
  });

  test('prints what was removed, and the facts when verbose', () => {
    const report = doctorReport(
      { checks, fixed: ['a/b'] },
      { style: plain, width: undefined, isVerbose: true },
    );
    assert.match(report, /^removed a\/b\npass {2}qemu {8}7\.2\n {18}path \/usr\/bin\/qemu\n/);
  });

  test('breaks long lines on a terminal between words, aligned to their column', () => {
    const long = [{ name: 'x', status: 'warn', message: 'one two three four five six seven' }] as const;
    assert.equal(
      doctorReport({ checks: [...long], fixed: [] }, { style: plain, width: 30, isVerbose: false }),
      'warn  x  one two three four\n         five six seven\n0 passed, 1 warned, 0 failed\n',
    );
  });
});

describe('harmless()', () => {
  test('keeps text, colours, tabs and line ends', () => {
    const text = '\u001b[0;32m  OK  \u001b[0m Started é.\r\n\tx';
    assert.equal(harmless(text), text);
  });

  test('removes everything else that could affect a terminal', () => {
    assert.equal(
      harmless('a\u001b[2Jb\u001b[?1049hc\u001b]0;title\u0007d\u001b[6ne\u0008f\u009bg\u001bc'),
      'abc0;titledefg',
    );
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom(
            '\u001b',
            '[',
            ']',
            '?',
            '1',
            ';',
            'm',
            'h',
            'n',
            '\u0007',
            '\u009b',
            'x',
            '\n',
          ),
        }),
        (text) => {
          // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what may be left
          const left = harmless(text).replaceAll(/\u001b\[[0-9;]*m/g, '');
          // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none but line feeds
          assert.doesNotMatch(left, /[\u0000-\u0008\u001b\u007f-\u009f]/);
        },
      ),
    );
  });
});
