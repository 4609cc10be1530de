import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { processEnvironment } from '../../../src/config/settings.ts';
import type { WorkspaceTooling } from '../../../src/protocol/api/workspace.ts';
import { type CliLab, openCliLab, stdinOf } from '../../support/cli/cli-harness.ts';
import { PACK_ID, sendEvents } from '../../support/fakes/fake-daemon.ts';

/** The guest's home is the folder for temporary files: see `serveGuest`. */
const LOG = join(tmpdir(), '.cache', 'banger', 'vm-run-tooling-re-po.log');

/** Records its arguments, and fails for one tool. */
const FAKE_MISE = `#!/bin/sh
echo "$PWD: $*" >>"$(dirname "$0")/calls"
echo "mise says $1"
case $* in *broken*)
  echo 'mise ERROR no such version: broken@1' >&2
  echo 'mise ERROR Run with --verbose or MISE_VERBOSE=1 for more information' >&2
  exit 5 ;;
esac
`;

describe('the tooling bootstrap of vm run', () => {
  const ownPath = processEnvironment()['PATH'];
  let lab: CliLab;
  let guest: string;
  let tooling: WorkspaceTooling | undefined;

  beforeEach(async () => {
    lab = await openCliLab();
    guest = join(lab.home, 'guest');
    mkdirSync(guest);
    mkdirSync(join(lab.home, 'repo'));
    tooling = { files: ['.mise.toml'], pins: ['go@1.22'] };
    const summary = (): object => ({
      repoRoot: join(lab.home, 'repo'),
      repoName: 're po',
      trackedCount: 1,
      untrackedCount: 0,
      ...(tooling ? { tooling } : {}),
    });
    lab.daemon.answers.set('POST /v1/workspaces/pack', (_request, response) =>
      sendEvents(response, [{ event: 'result', value: { packId: PACK_ID, summary: summary() } }]),
    );
    // The id of the VM is not known yet, but it is the same for the same name.
    lab.daemon.answers.set(`POST /v1/vms/${idOf('calm-otter')}/workspace`, (_request, response) =>
      sendEvents(response, [{ event: 'result', value: { ...summary(), guestPath: guest, bytes: 1 } }]),
    );
  });
  afterEach(async () => {
    process.env['PATH'] = ownPath;
    rmSync(LOG, { force: true });
    await lab[Symbol.asyncDispose]();
  });

  function idOf(name: string): string {
    return `id${Buffer.from(name).toString('hex').padEnd(30, '0').slice(0, 30)}`;
  }

  /** Installs a fake mise in the guest. */
  function installMise(): void {
    const bin = join(lab.home, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'mise'), FAKE_MISE);
    chmodSync(join(bin, 'mise'), 0o755);
    process.env['PATH'] = `${bin}:${ownPath}`;
  }

  const calls = (): string[] => {
    const path = join(lab.home, 'bin', 'calls');
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  };
  const wanted = (): string[] =>
    ['trust --quiet --all', 'install --yes', 'use --global --pin --yes go@1.22'].map(
      (words) => `${guest}: ${words}`,
    );
  const run = (...words: string[]): ReturnType<CliLab['run']> =>
    lab.run(['vm', 'run', ...words], { cwd: lab.home });

  test('is refused without a network before anything is created, with and without a command', async () => {
    for (const words of [['./repo'], ['./repo', '--', 'true'], ['-d', './repo']]) {
      const { status, stderr } = await run(...words);
      assert.equal(status, 2);
      assert.match(
        stderr,
        /^banger: tooling bootstrap requires --nat \(or pass --no-bootstrap to skip\)\n {2}hint: \.mise\.toml names tools/,
      );
    }
    assert.deepEqual(
      lab.daemon.requests.filter(({ path }) => path === '/v1/vms'),
      [],
    );
  });

  test('is skipped with --no-bootstrap, and when only pins request it and there is no network', async () => {
    installMise();
    assert.equal((await run('--no-bootstrap', './repo', '--', 'true')).status, 0);
    assert.equal((await run('--no-bootstrap', '--nat', './repo', '--', 'true')).status, 0);
    tooling = { files: [], pins: ['go@1.22'] };
    assert.equal((await run('./repo', '--', 'true')).status, 0);
    tooling = undefined;
    assert.equal((await run('--nat', './repo', '--', 'true')).status, 0);
    assert.deepEqual(calls(), []);
  });

  test('runs before the command', async () => {
    installMise();
    const { status, stdout, stderr } = await run(
      '--nat',
      './repo',
      '--',
      'cat',
      join(lab.home, 'bin', 'calls'),
    );
    assert.deepEqual([status, stdout.trim().split('\n')], [0, wanted()], stderr);
    assert.match(
      readFileSync(LOG, 'utf8'),
      /^\+ mise trust --quiet --all\nmise says trust\n\+ mise install --yes\n/,
    );
    assert.doesNotMatch(stderr, /warning/);
  });

  test('runs before vm run -d ends, and is shown with -v', async () => {
    installMise();
    tooling = { files: [], pins: ['node@20', 'go@1.22'] };
    const { status, stderr } = await run('-d', '-v', '--nat', './repo');
    assert.equal(status, 0);
    assert.deepEqual(
      calls(),
      ['node@20', 'go@1.22'].map((tool) => `${guest}: use --global --pin --yes ${tool}`),
    );
    assert.match(stderr, /^\[vm run\] installing tools: mise says use$/m);
  });

  test('continues in the background of a shell, without delaying it', async () => {
    installMise();
    const result = await lab.run(['vm', 'run', '--nat', './repo'], { cwd: lab.home, stdin: stdinOf('') });
    assert.equal(result.status, 0);
    assert.match(
      result.stderr,
      /tools are installed in the background; log in the guest: ~\/\.cache\/banger\//,
    );
    const waiting = { everyMs: 5, deadlineMs: 55_000, what: 'three calls', signal: neverAborts() };
    await poll(() => (calls().length === 3 ? true : undefined), waiting);
    assert.deepEqual(calls(), wanted());
  });

  test('warns when it fails, tries the other tools, and the command still runs', async () => {
    installMise();
    tooling = { files: [], pins: ['broken@1', 'go@1.22'] };
    const { status, stdout, stderr } = await run('--nat', './repo', '--', 'echo', 'ran');
    assert.deepEqual([status, stdout, calls().length], [0, 'ran\n', 2]);
    assert.match(
      stderr,
      /warning: guest tooling bootstrap failed: it ended with status 1: no such version: broken@1 \(log in the guest: ~\/\.cache\/banger\/vm-run-tooling-re-po\.log\)/,
    );
  });

  test("makes vm run -d fail with 1 and mise's own cause, and the VM stays", async () => {
    installMise();
    tooling = { files: ['.mise.toml'], pins: ['broken@1', 'go@1.22'] };
    const { status, stdout, stderr } = await run('-d', '--nat', './repo');
    assert.equal(status, 1);
    assert.match(stdout, /^vm calm-otter running; reconnect with: banger vm ssh calm-otter$/m);
    assert.match(
      stderr,
      /warning: guest tooling bootstrap failed: it ended with status 1: no such version: broken@1 \(log in/,
    );
    const inJson = await run('-d', '--json', '--nat', './repo');
    assert.equal(inJson.status, 1);
    const report = JSON.parse(inJson.stdout) as Record<string, unknown>;
    assert.equal(report['exitStatus'], 1);
    assert.match(String(report['toolingError']), /no such version: broken@1/);
    const deleted = lab.daemon.requests.filter(({ method }) => method === 'DELETE');
    assert.deepEqual(deleted, []);
  });

  test('warns when the image has no mise', async () => {
    const { status, stderr } = await run('--nat', './repo', '--', 'true');
    assert.equal(status, 0);
    assert.match(stderr, /bootstrap failed: it ended with status 1: mise is not installed in this image \(/);
  });
});
