import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { type CliLab, type CliResult, openCliLab } from '../../support/cli/cli-harness.ts';

/** The fake daemon runs a guest's commands on this host, so a repository here is one of the guest. */
describe('banger vm workspace', () => {
  let lab: CliLab;
  let scratch: Scratch;
  let guest: string;
  let first: string;

  beforeEach(async () => {
    lab = await openCliLab();
    scratch = makeScratch();
    guest = scratch.init('guest');
    put(guest, 'file', 'one\n');
    put(guest, 'gone', 'x\n');
    put(guest, '.gitignore', 'ignored\n');
    scratch.git(guest, 'add', '-A');
    scratch.git(guest, 'commit', '-q', '-m', 'first');
    first = scratch.git(guest, 'rev-parse', 'HEAD').toString().trim();
    const workspace = { guestPath: guest, sourcePath: lab.home, headCommit: first };
    lab.addVm('web', { workspace });
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  const exported = (...words: string[]): Promise<CliResult> =>
    lab.run(['vm', 'workspace', 'export', 'web', ...words], { cwd: lab.home });

  /** A repository at the first commit with the patch applied. */
  function applied(patch: string): string {
    const host = join(scratch.dir, 'host');
    scratch.git(scratch.dir, 'clone', '-q', guest, host);
    scratch.git(host, 'checkout', '-q', '--detach', first);
    const ran = spawnSync('git', ['apply', '--index'], { cwd: host, env: scratch.env, input: patch });
    assert.equal(ran.status, 0, ran.stderr.toString());
    return host;
  }

  test('export returns edits, deletions, new and binary files as a patch, and does not change the guest', async () => {
    put(guest, 'file', 'two\n');
    rmSync(join(guest, 'gone'));
    put(guest, 'folder/new', 'new\n');
    put(guest, 'ignored', 'secret\n');
    put(guest, 'binary', Buffer.from([0, 1, 2, 255, 254]));
    put(guest, 'staged', 'staged\n');
    scratch.git(guest, 'add', 'staged');
    // The user's settings must not change a patch.
    for (const [key, value] of [
      ...[['diff.noprefix', 'true'] as const, ['diff.mnemonicPrefix', 'true'] as const],
      ...[['color.ui', 'always'] as const, ['diff.external', 'false'] as const],
    ]) {
      scratch.git(guest, 'config', key, value);
    }
    const before = [
      scratch.git(guest, 'status', '--porcelain').toString(),
      readFileSync(join(guest, '.git/index')).toString('base64'),
      scratch.git(guest, 'count-objects', '-v').toString(),
    ];
    const { status, stdout, stderr } = await exported();
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(
      [
        scratch.git(guest, 'status', '--porcelain').toString(),
        readFileSync(join(guest, '.git/index')).toString('base64'),
        scratch.git(guest, 'count-objects', '-v').toString(),
      ],
      before,
    );
    const host = applied(stdout);
    assert.equal(
      scratch.git(host, 'status', '--porcelain').toString(),
      'A  binary\nM  file\nA  folder/new\nD  gone\nA  staged\n',
    );
    assert.deepEqual(readFileSync(join(host, 'binary')), Buffer.from([0, 1, 2, 255, 254]));
  });

  test("export contains the guest's commits only if it begins before them", async () => {
    put(guest, 'file', 'committed\n');
    scratch.git(guest, 'commit', '-q', '-a', '-m', 'in the guest');
    const none = await exported();
    assert.deepEqual([none.status, none.stdout, none.stderr], [0, '', 'there are no changes\n']);
    const { stdout } = await exported('--base-commit', first);
    assert.equal(readFileSync(join(applied(stdout), 'file'), 'utf8'), 'committed\n');
  });

  test('export works from a folder of the repository, and on a branch without commits', async () => {
    put(guest, 'folder/new', 'new\n');
    put(guest, 'file', 'two\n');
    const part = await exported('--guest-path', join(guest, 'folder'));
    assert.match(part.stdout, /^diff --git a\/file b\/file$/m);
    assert.match(part.stdout, /^diff --git a\/folder\/new b\/folder\/new$/m);
    const empty = scratch.init('empty');
    put(empty, 'file', 'x\n');
    assert.match((await exported('--guest-path', empty)).stdout, /^new file mode 100644$/m);
  });

  test('export writes a file completely or not at all', async () => {
    put(guest, 'file', 'two\n');
    const done = await exported('--output', 'web.patch', '--json');
    const path = join(lab.home, 'web.patch');
    const bytes = readFileSync(path).length;
    assert.deepEqual(JSON.parse(done.stdout), { guestPath: guest, output: path, bytes });
    const failed = await exported('-o', 'other.patch', '--base-commit', 'deadbeef');
    assert.equal(failed.status, 1);
    assert.equal(existsSync(join(lab.home, 'other.patch')), false);
    assert.equal(existsSync(join(lab.home, 'other.patch.partial')), false);
    const nowhere = await exported('-o', 'no/such/folder');
    assert.match(nowhere.stderr, /Cannot write ".*\/no\/such\/folder"\n {2}cause: ENOENT/);
  });

  test('export reports what is wrong', async () => {
    for (const [words, said] of [
      [['--guest-path', '/no/such'], /"\/no\/such" of the guest: there is no such folder/],
      [['--guest-path', '/'], /it is not in a git repository/],
      [['--base-commit', 'deadbeef'], /there is no commit "deadbeef" in it/],
    ] as const) {
      const { status, stdout, stderr } = await exported(...words);
      assert.deepEqual([status, stdout], [1, ''], stderr);
      assert.match(stderr, said);
    }
    lab.addVm('bare');
    const { stderr } = await lab.run(['vm', 'workspace', 'export', 'bare']);
    assert.match(
      stderr,
      /Cannot export from "bare": no working tree was copied into it\n {2}hint: .*--guest-path/,
    );
  });

  test('prepare copies the current or the given folder', async () => {
    const { status, stdout, stderr } = await lab.run(['vm', 'workspace', 'prepare', 'web'], { cwd: guest });
    assert.deepEqual([status, stdout], [0, 'web: 3 tracked files at /root/repo\n'], stderr);
    const given = await lab.run(
      ['vm', 'workspace', 'prepare', 'web', guest, '--guest-path', '/srv', '--branch', 'fix', '--json'],
      { cwd: '/' },
    );
    assert.equal((JSON.parse(given.stdout) as { guestPath: string }).guestPath, '/root/repo');
    assert.deepEqual(
      lab.daemon.requests.filter(({ path }) => path.endsWith('/workspace')).map(({ body }) => body),
      [{ path: guest }, { path: guest, branch: 'fix', guestPath: '/srv' }],
    );
  });

  test('prepare with --dry-run lists the files, and copies nothing', async () => {
    const { stdout } = await lab.run(['vm', 'workspace', 'prepare', 'web', '--dry-run'], { cwd: guest });
    assert.match(stdout, /^mode: tracked only$/m);
    assert.deepEqual(
      lab.daemon.requests.map(({ path }) => path),
      ['/v1/workspaces/inspect'],
    );
  });

  test('exec warns when HEAD has moved on the host, and copies the workspace again on request', async () => {
    const move = (hostHeadCommit: string): void => {
      for (const vm of lab.daemon.vms.values()) {
        if (vm.workspace) vm.workspace.hostHeadCommit = hostHeadCommit;
      }
    };
    const run = (...words: string[]): Promise<CliResult> =>
      lab.run(['vm', 'exec', ...words, 'web', '--', 'pwd'], { cwd: '/' });
    const prepared = (): unknown[] =>
      lab.daemon.requests.filter(({ path }) => path.endsWith('/workspace')).map(({ body }) => body);

    move(first);
    const fresh = await run();
    assert.deepEqual([fresh.stdout, fresh.stderr], [`${guest}\n`, '']);
    move('f'.repeat(40));
    const stale = await run();
    assert.deepEqual([stale.status, stale.stdout], [0, `${guest}\n`]);
    assert.match(stale.stderr, /^warning: workspace stale: .* is at ffffffffffff, .*; --auto-prepare /);
    assert.deepEqual(prepared(), []);
    const again = await run('--auto-prepare', '--guest-path', '/');
    assert.deepEqual([again.stdout, again.stderr], ['/\n', '']);
    assert.deepEqual(prepared(), [{ path: lab.home, guestPath: guest }]);
    for (const vm of lab.daemon.vms.values()) {
      Object.assign(vm.workspace ?? {}, { hostHeadCommit: first, isStale: true, includesUntracked: true });
    }
    const edited = await run();
    assert.match(edited.stderr, /^warning: workspace stale: files in .* have changed .*; --auto-prepare /);
    await run('--auto-prepare');
    assert.deepEqual(prepared()[1], { path: lab.home, guestPath: guest, includeUntracked: true });
  });
});
