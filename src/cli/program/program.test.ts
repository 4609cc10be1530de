import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../base/errors.ts';
import { CATALOG, COMMANDS } from '../commands.ts';
import type { Invocation } from './command.ts';
import { type ParsedLine, parseLine } from './program.ts';

const PARTS = {
  catalog: CATALOG,
  help: { width: 80 },
  versionLine: 'banger v1.2.3 (commit c, built t)',
};

function parse(...argv: string[]): ParsedLine {
  return parseLine(argv, PARTS);
}

function invocation(...argv: string[]): Omit<Invocation, 'catalog'> & { path: string } {
  const parsed = parse(...argv);
  assert.equal(parsed.kind, 'run');
  const { catalog: _catalog, ...rest } = parsed.kind === 'run' ? parsed.invocation : assert.fail();
  return { ...rest, path: parsed.kind === 'run' ? parsed.definition.path.join(' ') : '' };
}

function text(...argv: string[]): string {
  const parsed = parse(...argv);
  return parsed.kind === 'text' ? parsed.text : assert.fail(`${argv.join(' ')} runs something`);
}

function problem(...argv: string[]): { code: string; message: string; hint: string | undefined } {
  try {
    parse(...argv);
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    return { code: error.code, message: error.message, hint: error.hint };
  }
  return assert.fail(`${argv.join(' ')} was accepted`);
}

describe('parseLine()', () => {
  test('returns options by name, and the defaults of absent ones', () => {
    const { path, args, trailing, options } = invocation(
      'vm',
      'run',
      './repo',
      '--rm',
      '--vcpu',
      '2',
      '--',
      'make',
      '-j',
    );
    assert.equal(path, 'vm run');
    assert.deepEqual(args, ['./repo']);
    assert.deepEqual(trailing, ['make', '-j']);
    assert.equal(options['rm'], true);
    assert.equal(options['vcpu'], '2');
    assert.equal(options['json'], false);
    assert.equal(options['name'], undefined);
  });

  test('passes everything after -- on unchanged, also another --', () => {
    assert.deepEqual(invocation('vm', 'run', '--', 'a', '--rm', '--', '-x', '').trailing, [
      'a',
      '--rm',
      '--',
      '-x',
      '',
    ]);
    assert.deepEqual(invocation('vm', 'run', '--').trailing, []);
    assert.equal(invocation('vm', 'run').trailing, undefined);
  });

  test('accepts a value that looks like an option', () => {
    assert.equal(invocation('vm', 'create', '--name', '-box').options['name'], '-box');
    assert.equal(invocation('vm', 'create', '--disk-size', '-1G').options['diskSize'], '-1G');
    assert.equal(invocation('vm', 'create', '--name=--rm').options['name'], '--rm');
  });

  test('accepts options that begin with no', () => {
    assert.equal(invocation('vm', 'create').options['noStart'], false);
    assert.equal(invocation('vm', 'create', '--no-start').options['noStart'], true);
    const tty = (...flags: string[]) => {
      const { options } = invocation('vm', 'exec', ...flags, 'web', '--', 'true');
      return [options['tty'], options['noTty']];
    };
    assert.deepEqual(tty(), [false, false]);
    assert.deepEqual(tty('-t'), [true, false]);
    assert.deepEqual(tty('-T'), [false, true]);
    assert.deepEqual(tty('-t', '--no-tty'), [false, true]);
  });

  test('collects options that may be given several times', () => {
    assert.deepEqual(invocation('vm', 'exec', '-e', 'A=1', '--env=B=2', 'web', '--', 'env').options['env'], [
      'A=1',
      'B=2',
    ]);
    assert.deepEqual(invocation('vm', 'exec', 'web', '--', 'env').options['env'], []);
  });

  test('takes the short forms: verbs of vm without vm, and ls and rm in every group', () => {
    for (const [typed, meant] of [
      [
        ['run', './repo', '--rm', '--', 'rm', '-rf'],
        ['vm', 'run', './repo', '--rm', '--', 'rm', '-rf'],
      ],
      [
        ['exec', '-e', 'A=1', 'web', '--', 'ls'],
        ['vm', 'exec', '-e', 'A=1', 'web', '--', 'ls'],
      ],
      [
        ['ssh', 'web'],
        ['vm', 'ssh', 'web'],
      ],
      [
        ['ls', '-a'],
        ['vm', 'list', '--all'],
      ],
      [
        ['ps', '-q'],
        ['vm', 'list', '--quiet'],
      ],
      [
        ['logs', '-f', 'web'],
        ['vm', 'logs', '--follow', 'web'],
      ],
      [
        ['cp', 'a', 'web:/b'],
        ['vm', 'cp', 'a', 'web:/b'],
      ],
      [
        ['start', 'web'],
        ['vm', 'start', 'web'],
      ],
      [
        ['stop', 'web', 'db'],
        ['vm', 'stop', 'web', 'db'],
      ],
      [
        ['rm', 'web'],
        ['vm', 'delete', 'web'],
      ],
      [
        ['vm', 'rm', 'web'],
        ['vm', 'delete', 'web'],
      ],
      [
        ['vm', 'ps'],
        ['vm', 'list'],
      ],
      [
        ['image', 'ls'],
        ['image', 'list'],
      ],
      [
        ['vm', 'snapshot', 'rm', 'web', 'one'],
        ['vm', 'snapshot', 'delete', 'web', 'one'],
      ],
    ] as const) {
      assert.deepEqual(invocation(...typed), invocation(...meant), typed.join(' '));
    }
  });

  test('has help for short forms, and suggests working commands for typing errors', () => {
    assert.equal(text('run', '--help'), text('vm', 'run', '--help'));
    assert.equal(text('help', 'rm'), text('vm', 'delete', '--help'));
    assert.match(text('help', 'rm'), /^Usage: .*\nShort: banger rm, banger vm rm\n/);
    assert.match(text(), /run, exec, ssh, ls, ps, logs, cp, start, stop, rm/);
    assert.equal(problem('rn').hint, 'did you mean one of rm, run?');
    assert.equal(problem('rm').hint, 'banger vm delete --help');
    assert.equal(
      problem('exec', 'web', 'ls').hint,
      'a command goes after --, as in: banger vm exec web -- ls',
    );
  });

  test('suggests the nearest command and option', () => {
    const cases: [string[], string, string][] = [
      [['vmm'], 'USAGE_UNKNOWN_COMMAND', 'did you mean vm?'],
      [['vm', 'lst'], 'USAGE_UNKNOWN_COMMAND', 'did you mean list?'],
      [['image', 'biuld'], 'USAGE_UNKNOWN_COMMAND', 'did you mean build?'],
      [['vm', 'run', '--nmae', 'x'], 'USAGE_UNKNOWN_OPTION', 'did you mean --name?'],
      [['vm', 'run', '--disksize', '8G'], 'USAGE_UNKNOWN_OPTION', 'did you mean --disk-size?'],
      [['--versoin'], 'USAGE_UNKNOWN_OPTION', 'did you mean --version?'],
    ];
    for (const [argv, code, hint] of cases) {
      const found = problem(...argv);
      assert.deepEqual([found.code, found.hint], [code, hint], argv.join(' '));
    }
  });

  test('points to help when there is nothing to suggest', () => {
    assert.equal(problem('vm', 'xyzzy').hint, 'banger vm --help');
    assert.equal(problem('xyzzy').hint, 'banger --help');
    assert.equal(problem('vm', 'list', '--xyzzy').hint, 'banger vm list --help');
  });

  test('refuses missing and extra words, and shows the usage', () => {
    assert.equal(problem('vm', 'show').code, 'USAGE_ARGUMENTS');
    assert.equal(problem('vm', 'run', '--name').code, 'USAGE_OPTION_VALUE');
    assert.equal(
      problem('vm', 'exec', 'web', 'ls', '/srv').hint,
      'a command goes after --, as in: banger vm exec web -- ls /srv',
    );
    assert.equal(
      problem('vm', 'run', './repo', 'make', 'test').hint,
      'a command goes after --, as in: banger vm run ./repo -- make test',
    );
    assert.equal(problem('vm', 'show', 'a', 'b').hint, 'usage: banger vm show [options] <vm>');
    assert.equal(problem('vm', 'list', '--', 'x').code, 'USAGE_ARGUMENTS');
    assert.equal(problem('vm', 'show', 'web', '--').code, 'USAGE_ARGUMENTS');
  });

  test('prints help for a group without a command, and for help in every form', () => {
    const help = text('vm', 'run', '--help');
    assert.match(help, /^Usage: banger vm run \[options\] \[path\] \[-- cmd\.\.\.\]\n/);
    assert.equal(text('help', 'vm', 'run'), help);
    assert.equal(text('vm', 'run', '-h', '--name', 'x'), help);
    assert.match(text('vm'), /^Usage: banger vm <command>\n/);
    assert.equal(text('vm', '--help'), text('vm'));
    assert.match(text(), /^Usage: banger <command>\n/);
    assert.equal(text('--help'), text());
    assert.equal(text('help'), text());
  });

  test('prints the version on one line', () => {
    assert.equal(text('--version'), 'banger v1.2.3 (commit c, built t)\n');
  });

  test('returns a command, a text or a usage error, whatever is typed', () => {
    const word = fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        'vm',
        'run',
        'exec',
        'list',
        'image',
        'help',
        '--',
        '-h',
        '--name',
        '-e',
        '--rm',
        '',
        '__proto__',
        'constructor',
        '--__proto__',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 7 }), (argv) => {
        try {
          parse(...argv);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code.startsWith('USAGE_'), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the commands', () => {
  for (const { path, args, options, examples, trailing } of COMMANDS) {
    const name = path.join(' ');

    test(`${name}: every example is a command line that parses to it`, () => {
      for (const { command } of examples) {
        const lines = bangerLines(command).map((words) => parse(...words));
        const paths = lines.map((line) => (line.kind === 'run' ? line.definition.path.join(' ') : 'version'));
        assert.ok(paths.includes(name), `${command}: ${paths.join(', ')}`);
      }
    });

    test(`${name}: has a summary for everything, in lower case and without a period`, () => {
      const summaries = [...args, ...Object.values(options), ...(trailing ? [trailing] : [])].map(
        ({ summary }) => summary,
      );
      for (const summary of summaries) {
        assert.match(summary, /^[^A-Z]|^(VMM|MiB)/, summary);
        assert.doesNotMatch(summary, /\.$/, summary);
      }
    });
  }

  test('have distinct names', () => {
    const names = COMMANDS.map(({ path }) => path.join(' '));
    assert.equal(new Set(names).size, names.length);
    for (const { path } of COMMANDS) {
      if (path.length > 1)
        assert.ok(
          CATALOG.groups.some(({ name }) => name === path[0]),
          path.join(' '),
        );
    }
  });

  test('have short forms that are not commands themselves, and each means one command', () => {
    const names = new Set(COMMANDS.map(({ path }) => path.join(' ')));
    const shorts = CATALOG.shortForms.map(({ words }) => words.join(' '));
    assert.equal(new Set(shorts).size, shorts.length);
    for (const short of shorts) assert.ok(!names.has(short), short);
    for (const { path } of CATALOG.shortForms) assert.ok(names.has(path.join(' ')), path.join(' '));
    for (const { name } of CATALOG.groups) assert.ok(!shorts.includes(name), name);
  });

  test('use each letter for only one option', () => {
    for (const { path, options } of COMMANDS) {
      const letters = Object.values(options).flatMap(({ short }) => short ?? []);
      assert.equal(new Set(letters).size, letters.length, path.join(' '));
    }
  });
});

/** The calls of banger in a shell line, in substitutions and in its pipeline. */
function bangerLines(command: string): string[][] {
  const inner: string[] = [];
  const outer = command.replaceAll(/"?[$<]\(([^()]*)\)"?/g, (_all, line: string) => {
    inner.push(line);
    return 'x';
  });
  return [outer, ...inner]
    .flatMap((line) => line.split(/\||&&/))
    .map((line) => line.match(/(?:'[^']*'|[^\s'])+/g) ?? [])
    .map((words) => words.map((word) => word.replaceAll("'", '')))
    .filter(([program]) => program === 'banger')
    .map((words) => words.slice(1));
}
