import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type CliLab, openCliLab } from '../../../../test/support/cli/cli-harness.ts';
import { PACK_ID, sendEvents, sendJson } from '../../../../test/support/fakes/fake-daemon.ts';

describe('the working tree of banger vm run', () => {
  let lab: CliLab;
  let repo: string;

  beforeEach(async () => {
    lab = await openCliLab();
    repo = join(lab.home, 'repo');
    mkdirSync(repo);
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  test('inspects the workspace before it creates a VM, and starts the command in it', async () => {
    const result = await lab.run(['vm', 'run', '--rm', './repo', '--', 'true'], { cwd: lab.home });
    assert.equal(result.status, 0);
    assert.deepEqual(lab.requestLines(), [
      'POST /v1/workspaces/pack',
      'POST /v1/vms',
      'POST /v1/vms/ID/workspace',
      'POST /v1/vms/ID/exec',
      'DELETE /v1/vms/ID',
    ]);
    assert.deepEqual(lab.daemon.requests[0]?.body, { path: repo });
    assert.equal(lab.daemon.guests[0]?.start.cwd, '/root/repo');
    assert.match(result.stderr, /^2 untracked files stay on the host; .*\nspec: /);
  });

  test('passes on which files of the working tree to send, and the branch', async () => {
    const words = ['--include-untracked', '--branch', 'fix', '--from', 'v1'];
    const result = await lab.run(['vm', 'run', '--rm', ...words, repo, '--', 'true']);
    assert.equal(result.status, 0);
    const choice = { path: repo, branch: 'fix', from: 'v1', includeUntracked: true };
    assert.deepEqual(
      lab.daemon.requests.filter(({ path }) => path.includes('workspace')).map(({ body }) => body),
      [choice, { ...choice, packId: PACK_ID }],
    );
    assert.doesNotMatch(result.stderr, /untracked/);
  });

  test('with -d leaves a ready VM, and says how to enter it', async () => {
    const result = await lab.run(['vm', 'run', '-d', '--name', 'web', repo]);
    assert.equal(result.status, 0);
    assert.equal(result.stdout, 'vm web running; reconnect with: banger vm ssh web\n');
    assert.deepEqual(lab.requestLines(), [
      'POST /v1/workspaces/pack',
      'POST /v1/vms',
      'POST /v1/vms/ID/workspace',
      'GET /v1/vms/ID',
    ]);
    assert.match(result.stderr, /its first web server will be at http:\/\/web\.localhost:7480\/\n/);
    assert.doesNotMatch(result.stderr, /still running/);
    assert.equal(lab.daemon.vms.size, 1);
  });

  test('with -d and --json prints one value without a command', async () => {
    const { stdout } = await lab.run(['vm', 'run', '-d', '--json', repo]);
    const report = JSON.parse(stdout) as { timings: object };
    assert.deepEqual(Object.keys(report), ['vm', 'exitStatus', 'timings', 'isDeleted']);
    assert.deepEqual(Object.keys(report.timings), ['createMs', 'workspaceMs', 'totalMs']);
  });

  test('with --dry-run prints the files and the mode, and creates nothing', async () => {
    lab.daemon.answers.set('POST /v1/workspaces/inspect', ({ body }, response) =>
      sendJson(response, 200, {
        repoRoot: repo,
        repoName: 'repo',
        trackedCount: 2,
        untrackedCount: 1,
        files: ['a.txt', 'b\u001b[31m.txt'],
        seen: body,
      }),
    );
    const plain = await lab.run(['vm', 'run', '--dry-run', repo]);
    assert.deepEqual(
      [plain.status, plain.stdout, plain.stderr],
      [0, `a.txt\nb [31m.txt\nmode: tracked only\n2 files of ${repo}\n`, ''],
    );
    const both = await lab.run(['vm', 'run', '--dry-run', '--include-untracked', repo, '--', 'make']);
    assert.match(both.stdout, /\nmode: tracked and untracked\n/);
    const json = await lab.run(['vm', 'run', '--dry-run', '--json', repo]);
    assert.deepEqual(JSON.parse(json.stdout), {
      mode: 'tracked only',
      repoRoot: repo,
      files: ['a.txt', 'b\u001b[31m.txt'],
      trackedCount: 2,
      untrackedCount: 1,
    });
    assert.deepEqual(new Set(lab.requestLines()), new Set(['POST /v1/workspaces/inspect']));
    assert.deepEqual(lab.daemon.requests[0]?.body, { path: repo, withFiles: true });
  });

  test('creates no VM for a path that is not a working tree', async () => {
    lab.daemon.answers.set('POST /v1/workspaces/pack', (_request, response) =>
      sendJson(response, 422, {
        code: 'WORKSPACE_NOT_GIT',
        message: 'Cannot use it: no git',
        hint: 'git init',
      }),
    );
    const result = await lab.run(['vm', 'run', repo, '--', 'true']);
    assert.equal(result.status, 2);
    assert.equal(result.stderr, 'banger: Cannot use it: no git\n  hint: git init\n');
    assert.deepEqual(lab.requestLines(), ['POST /v1/workspaces/pack']);
  });

  test('keeps the VM, with a notice, when the workspace cannot be prepared', async () => {
    await lab.run(['vm', 'create', '--name', 'web']);
    const id = [...lab.daemon.vms.keys()][0];
    lab.daemon.vms.clear();
    lab.daemon.answers.set(`POST /v1/vms/${id}/workspace`, (_request, response) =>
      sendEvents(response, [{ event: 'error', error: { code: 'GUEST_LOST', message: 'guest went away' } }]),
    );
    const result = await lab.run(['vm', 'run', '--name', 'web', repo, '--', 'true']);
    assert.equal(result.status, 125);
    assert.match(
      result.stderr,
      /vm "web" is still running; .*banger vm delete web\nbanger: guest went away\n$/,
    );
  });
});
