import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CliResult, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const user = String(process.geteuid?.());

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const banger = (argv: readonly string[], stdin = ''): Promise<CliResult> =>
  runCli(argv, { env: lab.env, stdin: stdinOf(stdin), cwd: lab.dir });

test('a VM is created, used and deleted from the command line', async () => {
  const created = await banger(['vm', 'create', '--name', 'cli']);
  assert.equal(created.status, 0, created.stderr);
  assert.equal(created.stdout.includes('cli'), true);

  const shown = await banger(['vm', 'show', 'cli']);
  assert.match(shown.stdout, /"state": *"running"/);

  const script = 'cat; echo err >&2; exit 7';
  const ran = await banger(
    ['vm', 'exec', '-T', '-u', user, '-w', '/', 'cli', '--', 'sh', '-c', script],
    'in\n',
  );
  assert.deepEqual([ran.status, ran.stdout], [7, 'in\n'], ran.stderr);
  assert.match(ran.stderr, /^err$/m);

  const missing = await banger(['vm', 'exec', '-T', '-u', user, '-w', '/', 'cli', '--', 'no-such-program']);
  assert.equal(missing.status, 127);

  assert.equal((await banger(['vm', 'stop', 'cli'])).status, 0);
  const refused = await banger(['vm', 'exec', '-T', 'cli', '--', 'true']);
  assert.equal(refused.status, 125);
  assert.match(refused.stderr, /not running/);
  assert.equal((await banger(['vm', 'delete', 'cli'])).status, 0);
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});

for (const [what, argv, said] of [
  ['an invalid name', ['--name', 'MyBox'], /invalid character 'M'/],
  ['no vCPU', ['--vcpu', '0'], /vcpu/],
  ['too little memory', ['--memory', '1'], /memory/],
  ['a disk that is not a whole number of blocks', ['--disk-size', '100001K'], /disk-size/],
] as const) {
  test(`${what} is refused with status 2, and leaves nothing`, async () => {
    const { status, stdout, stderr } = await banger(['vm', 'create', ...argv]);
    assert.deepEqual([status, stdout], [2, ''], stderr);
    assert.match(stderr, said);
    assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  });
}

test('the error for a missing VM has its name', async () => {
  const { status, stdout, stderr } = await banger(['vm', 'show', 'nobody']);
  assert.notEqual(status, 0);
  assert.match(stdout + stderr, /nobody/);
});

test('a path that is not a working tree is refused before a VM is created', async () => {
  const { status, stderr } = await banger(['vm', 'run', join(lab.dir, 'nowhere'), '--', 'true']);
  assert.notEqual(status, 0);
  assert.match(stderr, /nowhere/);
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});
