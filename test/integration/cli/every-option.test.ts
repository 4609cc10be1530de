import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { JSON_OUTPUT } from '../../../scripts/docs/json-shapes.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { object } from '../../../src/base/json-schema/build.ts';
import { problemsOf } from '../../../src/base/json-schema/check.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { flagOf, shownOptions } from '../../../src/cli/program/command.ts';
import { errorBody } from '../../../src/protocol/events.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type CliResult, FakeSignals, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { BAD_VALUES, GOOD_LINES, type GoodLine } from '../../support/cli/cli-lines.ts';
import { knownFields } from '../../support/cli/known-fields.ts';
import { LEAST_WORDS } from '../../support/cli/least-words.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

/** A row of the table in docs/cli.md. */
interface Row {
  /** words after `banger` */
  command: string;
  /** absent for a command without options */
  flag?: string;
  short?: string;
  takesValue: boolean;
}

const REFERENCE = join(import.meta.dirname, '../../../docs/cli.md');

/** `| `banger vm run` | `-d, --detach` | default |` */
const ROW = /^\| `banger ([a-z -]+)` \| (?:`(?:-(\w), )?(--[a-z-]+)( <[^>]+>)?`)? +\|/;

function readTable(): Row[] {
  const [, table = ''] = readFileSync(REFERENCE, 'utf8').split('## Every command and option\n');
  return (table.split('\n## ')[0] ?? '').split('\n').flatMap((line) => {
    const [, command, short, flag, value] = ROW.exec(line) ?? [];
    if (command === undefined) return [];
    return {
      command,
      ...(flag === undefined ? {} : { flag }),
      ...(short === undefined ? {} : { short }),
      takesValue: value !== undefined,
    };
  });
}

describe('the table of every command and option', () => {
  const rows = readTable();
  const shown = COMMANDS.filter(({ isHidden }) => !isHidden);
  let lab: DaemonLab;
  let scratch: Scratch;
  let repo: string;
  let operation = '';
  let job = 'abcd';

  before(async () => {
    lab = await openDaemonLab();
    await lab.start();
    scratch = makeScratch();
    repo = scratch.init('repo');
    put(repo, 'file');
    put(repo, '.devcontainer.json', JSON.stringify({ image: 'debian-bookworm' }));
    const other = {
      image: 'debian-bookworm',
      workspaceFolder: join(lab.dir, 'other'),
      initializeCommand: 'true',
      postCreateCommand: 'test -f file',
      mounts: ['source=/,target=/host,type=bind'],
    };
    put(repo, '.devcontainer/other/devcontainer.json', JSON.stringify(other));
    scratch.git(repo, 'add', '-A');
    scratch.git(repo, 'commit', '-q', '-m', 'first');
    appendFileSync(lab.settings.paths.daemonLogFile, '{"msg":"hello"}\n');
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  /** The words of a line with its placeholders filled in. */
  function fill(words: string): string[] {
    const places: Record<string, string> = {
      REPO: repo,
      GUEST: join(lab.dir, 'guest'),
      GUEST2: join(lab.dir, 'guest2'),
      DIR: lab.dir,
      COMMIT: scratch.git(repo, 'rev-parse', 'HEAD').toString().trim(),
      OPERATION: operation,
      JOB: job,
    };
    const filled = words.replace(/\b[A-Z]+2?\b/g, (word) => places[word] ?? word);
    return filled.split(' ').filter((word) => word !== '');
  }

  const banger = (argv: readonly string[], signals = new FakeSignals()): Promise<CliResult> =>
    runCli(argv, { env: lab.env, cwd: lab.dir, stdin: stdinOf(), signals });

  test('has every command and option, and only those', () => {
    assert.deepEqual(
      rows.map(({ command, flag }) => `${command} ${flag ?? ''}`),
      shown.flatMap((command) => {
        const flags = shownOptions(command).map(([name]) => flagOf(name));
        return (flags.length > 0 ? flags : ['']).map((flag) => `${command.path.join(' ')} ${flag}`);
      }),
    );
  });

  test('has a valid line for each row, and a bad value for each row with a value (test/support/cli/cli-lines.ts)', () => {
    const untried = rows.filter(({ command, flag, short }) => {
      const words = (GOOD_LINES[command] ?? []).flatMap(
        (line) => line.words.split(' -- ')[0]?.split(' ') ?? [],
      );
      if (flag === undefined) return (GOOD_LINES[command] ?? []).length === 0;
      return !words.includes(flag) && !(short !== undefined && words.includes(`-${short}`));
    });
    assert.deepEqual(untried, []);
    const unrefused = rows.filter(({ flag, takesValue }) => takesValue && !BAD_VALUES[flag ?? '']);
    assert.deepEqual(unrefused, []);
    const jsonCommands = rows.filter(({ flag }) => flag === '--json').map(({ command }) => command);
    assert.deepEqual(jsonCommands.toSorted(), Object.keys(JSON_OUTPUT).toSorted());
  });

  for (const command of new Set(rows.map((row) => row.command))) {
    test(`${command}: refuses bad options and values with 2, and names them`, async () => {
      for (const { flag, takesValue } of rows.filter((row) => row.command === command)) {
        if (flag === undefined) continue;
        const least = fill(LEAST_WORDS[command] ?? '');
        const words = command.split(' ');
        const bad = takesValue
          ? [[flag, BAD_VALUES[flag]?.value ?? '', ...fill(BAD_VALUES[flag]?.besides ?? '')]]
          : [[`${flag}=x`]];
        for (const given of [...bad, [`${flag}x`]]) {
          const { status, stdout, stderr } = await banger([...words, ...given, ...least]);
          assert.equal(status, 2, `${command} ${given.join(' ')}: ${stdout}${stderr}`);
          const told = stdout + stderr;
          const named = takesValue && given.length > 1 ? (given[1] ?? '') : flag;
          assert.ok(told.includes(named), told);
        }
        if (!takesValue) continue;
        const missing = await banger([...words, flag]);
        assert.equal(missing.status, 2);
        assert.match(missing.stdout + missing.stderr, new RegExp(`${flag} .*missing`));
      }
    });
  }

  for (const [command, lines] of Object.entries(GOOD_LINES)) {
    test(`${command}: works with each of its options`, async () => {
      for (const line of lines) await tryLine(command, line);
    });
  }

  async function tryLine(command: string, line: GoodLine): Promise<void> {
    if (line.words.includes('OPERATION')) {
      // The daemon forgets all but the latest.
      const known = await lab.client.listOperations({ isAll: true, signal: neverAborts() });
      operation = known.findLast(({ state }) => state === 'done')?.id ?? operation;
    }
    const argv = [...command.split(' '), ...fill(line.words)];
    const signals = new FakeSignals();
    const running = banger(argv, signals);
    if (line.isFollowed) {
      await until(() => signals.listenerCount('SIGINT') > 0);
      setTimeout(() => signals.send('SIGINT'), 200);
    }
    const result = await running;
    const { status, stdout, stderr } = result;
    // An agent that is not root runs nothing as root, so the command fails although its command line is
    // valid.
    if (line.needsRoot && process.geteuid?.() !== 0) return;
    assert.equal(status, line.status ?? 0, `${argv.join(' ')}: ${stdout}${stderr}`);
    if (argv.includes('--detach') && argv.includes('-q') && command === 'vm create')
      operation = stdout.trim();
    if (argv.includes('--detach') && command === 'vm exec') job = (JSON.parse(stdout) as { id: string }).id;
    if (argv.includes('--json')) assertShape(command, result);
  }

  /** Exactly as documented: an undocumented field fails, too. */
  function assertShape(command: string, { status, stdout }: CliResult): void {
    const value: unknown = JSON.parse(stdout);
    const shape = status === 0 ? JSON_OUTPUT[command] : object({ error: errorBody });
    assert.ok(shape);
    assert.deepEqual(problemsOf(shape, value), [], `banger ${command} --json`);
    assert.deepEqual(knownFields(shape, value), value, `banger ${command} --json`);
  }
});
