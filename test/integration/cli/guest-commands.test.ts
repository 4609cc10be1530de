import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { VmWorkspace } from '../../../src/protocol/vm.ts';
import { type CliLab, openCliLab } from '../../support/cli/cli-harness.ts';
import { sendEvents } from '../../support/fakes/fake-daemon.ts';

/** The fake daemon runs a guest's commands on this host, so folders here are the guest's. */
describe('the folder and the variables of a guest command', () => {
  let lab: CliLab;
  let repo: string;
  let guest: string;
  let workspace: VmWorkspace;

  beforeEach(async () => {
    lab = await openCliLab();
    repo = join(lab.home, 'repo');
    guest = join(lab.home, 'guest');
    workspace = { guestPath: guest, sourcePath: repo };
    for (const dir of ['repo/web/src', 'repo/new', 'repo-2', 'guest/web/src']) {
      mkdirSync(join(lab.home, dir), { recursive: true });
    }
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  const starts = (): unknown[] => lab.daemon.guests.map(({ start: { cwd } }) => cwd);
  const statCount = (): number => lab.daemon.requests.filter(({ path }) => path.includes('/stat?')).length;

  test('vm exec starts in the folder of the workspace that matches ours', async () => {
    lab.addVm('web', { workspace });
    const from = async (cwd: string, ...words: string[]): Promise<string> => {
      const ran = await lab.run(['vm', 'exec', ...words, 'web', '--', 'true'], { cwd });
      assert.equal(ran.status, 0, ran.stderr);
      return ran.stderr;
    };
    assert.equal(await from(join(repo, 'web/src')), '');
    assert.equal(await from(repo), '');
    assert.equal(await from(join(lab.home, 'repo-2')), '');
    assert.equal(await from(lab.home), '');
    assert.equal(await from(join(repo, 'web'), '-w', '/tmp'), '');
    assert.equal(await from(join(repo, 'web'), '-u', 'nobody'), '');
    assert.deepEqual(starts(), [join(guest, 'web/src'), guest, guest, guest, '/tmp', undefined]);
    assert.equal(statCount(), 1, 'the guest is asked for a subfolder only');
  });

  test('vm exec starts at the top, with one notice, when the guest lacks our folder', async () => {
    lab.addVm('web', { workspace });
    const ran = await lab.run(['vm', 'exec', 'web', '--', 'pwd'], { cwd: join(repo, 'new') });
    assert.deepEqual(
      [ran.status, ran.stdout, ran.stderr],
      [0, `${guest}\n`, `the VM has no folder ${guest}/new; starting in ${guest}\n`],
    );
  });

  test('vm run starts in our folder of the working tree, or in --workdir, with the variables of --env', async () => {
    lab.daemon.answers.set('POST /v1/workspaces/pack', (_request, response) =>
      sendEvents(response, [{ event: 'result', value: { packId: 'pack-1', summary: summary() } }]),
    );
    const vm = lab.addVm('made');
    lab.daemon.vms.clear();
    lab.daemon.answers.set(`POST /v1/vms/${vm.id}/workspace`, (_request, response) =>
      sendEvents(response, [{ event: 'result', value: { ...summary(), guestPath: guest, bytes: 1 } }]),
    );
    const run = async (...words: string[]): Promise<string> => {
      lab.daemon.vms.clear();
      const argv = ['vm', 'run', '--name', 'made', ...words];
      const ran = await lab.run(argv, { cwd: join(repo, 'web'), env: { OURS: 'ours' } });
      assert.equal(ran.status, 0, ran.stderr);
      return ran.stdout;
    };
    assert.equal(await run('.', '--', 'pwd'), `${guest}/web\n`);
    assert.equal(await run('-w', '/tmp', '.', '--', 'pwd'), '/tmp\n');
    assert.equal(await run('-e', 'A=1', '-e', 'OURS', '--', 'sh', '-c', 'echo $A $OURS'), '1 ours\n');
  });

  function summary(): object {
    return { repoRoot: repo, repoName: 'repo', trackedCount: 1, untrackedCount: 0 };
  }

  test('vm run refuses unusable options before a VM exists', async () => {
    for (const [words, said] of [
      [['-w', 'web', '--', 'true'], /"web" for --workdir: it is not an absolute path/],
      [['-e', '=1', '--', 'true'], /"=1" for --env: the name is empty/],
      [['-d', '-e', 'A=1'], /Cannot use --env with --detach/],
      [['-d', '-w', '/srv'], /Cannot use --workdir with --detach/],
      [['--wait-for-port', '80', '--', 'true'], /Cannot use --wait-for-port without --detach/],
      [['-d', '--timeout', '5s'], /Cannot use --timeout with --detach/],
      [['-d', '--wait-for-port', '70000'], /"70000" for --wait-for-port: it is not a port/],
      [['-d', '--wait-for-command', ' '], /" " for --wait-for-command: it is empty/],
    ] as const) {
      const ran = await lab.run(['vm', 'run', ...words]);
      assert.equal(ran.status, 2, ran.stderr);
      assert.match(ran.stderr, said);
    }
    assert.deepEqual(lab.requestLines(), []);
  });

  test('vm fork passes each command the number of its copy, and --env', async () => {
    lab.addVm('web', { workspace });
    const vms = ['web-1', 'web-2', 'web-3'].map((name) => lab.addVm(name, { workspace }));
    lab.daemon.answers.set('POST /v1/vms/web/fork', (_request, response) =>
      sendEvents(response, [{ event: 'result', value: { vms, pausedMs: 1 } }]),
    );
    const command = ['sh', '-c', 'echo $BANGER_FORK_INDEX of $TOTAL in $PWD'];
    const argv = ['vm', 'fork', 'web', '-n', '3', '-e', 'TOTAL=3', '-e', 'BYTE=\udce9', '--', ...command];
    const ran = await lab.run(argv, { cwd: join(repo, 'web') });
    assert.equal(ran.status, 0, ran.stderr);
    assert.deepEqual(
      ran.stdout.trimEnd().split('\n').sort(),
      [0, 1, 2].map((index) => `web-${index + 1} | ${index} of 3 in ${guest}/web`),
    );
    assert.deepEqual(lab.daemon.guests[0]?.start.env?.['BYTE'], { b64: '6Q==' }, 'the byte that was given');
    const alone = await lab.run(['vm', 'fork', 'web', '-e', 'A=1']);
    assert.deepEqual([alone.status, /--env without a command/.test(alone.stderr)], [2, true]);
  });
});
