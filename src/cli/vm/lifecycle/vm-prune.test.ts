import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  type CliLab,
  FakeOutput,
  FakeSignals,
  FakeTerminalInput,
  openCliLab,
} from '../../../../test/support/cli/cli-harness.ts';
import { until } from '../../../../test/support/until.ts';
import type { Vm } from '../../../protocol/vm.ts';

let lab: CliLab;

beforeEach(async () => {
  lab = await openCliLab();
});
afterEach(() => lab[Symbol.asyncDispose]());

describe('vm prune', () => {
  /** A terminal on which a user types this. */
  const atTerminal = async (typed: string, argv: readonly string[] = []) => {
    const stdin = new FakeTerminalInput();
    stdin.write(typed);
    const stderr = new FakeOutput({ isTTY: true, columns: 200 });
    const ran = await lab.run(['vm', 'prune', ...argv], { stdin, stderr, env: { NO_COLOR: '1' } });
    return { ...ran, stderr: stderr.text };
  };
  const addAll = (): Vm[] => {
    lab.addVm('runs');
    lab.addVm('starts', { state: 'starting' });
    return (['stopped', 'created', 'error'] as const).map((state) => lab.addVm(`was-${state}`, { state }));
  };
  const names = (): string[] => [...lab.daemon.vms.values()].map(({ name }) => name).sort();

  test('shows what it would delete, asks, and deletes VMs that do not run', async () => {
    addAll();
    const { status, stdout, stderr } = await atTerminal('y\n');
    assert.deepEqual(
      [status, stdout],
      [0, 'was-stopped: deleted\nwas-created: deleted\nwas-error: deleted\n'],
    );
    assert.match(
      stderr,
      /^ID +NAME .*\n.*was-stopped.*\n.*was-created.*\n.*was-error.*\nDelete these 3 VMs and everything in them\? \[y\/N\] $/,
    );
    assert.deepEqual(names(), ['runs', 'starts']);
    assert.ok(
      lab.daemon.requests.every(({ method, path }) => method !== 'DELETE' || path.endsWith('?resting=1')),
    );
  });

  for (const answer of ['n\n', '\n', 'yellow\n', 'no\nyes\n']) {
    test(`deletes nothing for the answer ${JSON.stringify(answer)}`, async () => {
      addAll();
      const { status, stdout } = await atTerminal(answer);
      assert.deepEqual([status, stdout, names().length], [1, '', 5]);
    });
  }

  test('deletes nothing when the terminal ends, or the answer is Ctrl-C', async () => {
    addAll();
    const stdin = new FakeTerminalInput();
    stdin.end();
    const stderr = new FakeOutput({ isTTY: true });
    assert.equal((await lab.run(['vm', 'prune'], { stdin, stderr })).status, 1);
    const signals = new FakeSignals();
    const waiting = new FakeOutput({ isTTY: true });
    const asked = lab.run(['vm', 'prune'], { stdin: new FakeTerminalInput(), stderr: waiting, signals });
    await until(() => waiting.text.includes('[y/N]'));
    signals.send('SIGINT');
    assert.equal((await asked).status, 130);
    assert.equal(names().length, 5);
  });

  test('does not ask with -f', async () => {
    addAll();
    const { status, stdout, stderr } = await lab.run(['vm', 'prune', '-f']);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /was-error: deleted\n$/);
    assert.deepEqual(names(), ['runs', 'starts']);
    const again = await lab.run(['vm', 'prune', '-f']);
    assert.deepEqual([again.status, again.stdout], [0, '']);
    assert.match(again.stderr, /nothing to delete/);
    assert.equal((await lab.run(['vm', 'prune', '-f', '--json'])).stdout, '[]\n');
  });

  test('refuses without a terminal, whatever stdin contains', async () => {
    addAll();
    const { stdinOf } = await import('../../../../test/support/cli/cli-harness.ts');
    const { status, stdout, stderr } = await lab.run(['vm', 'prune'], { stdin: stdinOf('y\n') });
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /there is no terminal\n.*banger vm prune --force/);
    assert.equal(names().length, 5);
  });
});
