import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { type CliResult, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const isRoot = process.geteuid?.() === 0;

/** The lab's guests are processes of this host, so a folder here is one of the guest. */
describe('banger vm run --out', { skip: isRoot ? false : 'the lab runs commands only as root' }, () => {
  let lab: DaemonLab;
  let daemon: LabDaemon;
  let count = 0;

  before(async () => {
    lab = await openDaemonLab();
    daemon = await lab.start();
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
  });

  interface Ran extends CliResult {
    work: string;
    out: string;
    name: string;
  }
  async function run(script: string, words: readonly string[], out = `out${count + 1}`): Promise<Ran> {
    count += 1;
    const [work, name] = [join(lab.dir, `work${count}`), `box${count}`];
    mkdirSync(work);
    const dir = join(lab.dir, out);
    const argv = [
      'vm',
      'run',
      '--name',
      name,
      '-w',
      work,
      ...words,
      '--out-dir',
      dir,
      '--',
      'sh',
      '-c',
      script,
    ];
    const ran = await runCli(argv, { env: lab.env, cwd: lab.dir, stdin: stdinOf() });
    return { ...ran, work, name, out: dir };
  }
  const names = async (): Promise<string[]> =>
    (await lab.client.listVms({ isAll: true, signal })).map(({ name }) => name);
  const make =
    'mkdir -p dist/sub .git && echo 1 >dist/a.js && echo 2 >dist/sub/b && echo 3 >other && echo 4 >.git/x';

  test('brings out what matches, also when the command failed, and --rm deletes the VM', async () => {
    const failed = await run(`${make}; exit 3`, ['--rm', '--out', 'dist/**', '--out', 'none']);
    assert.equal(failed.status, 3, failed.stderr);
    assert.match(failed.stderr, /nothing matches "none"/);
    assert.equal(readFileSync(join(failed.out, 'dist/a.js'), 'utf8'), '1\n');
    assert.equal(readFileSync(join(failed.out, 'dist/sub/b'), 'utf8'), '2\n');
    assert.ok(!existsSync(join(failed.out, 'other')));
    assert.ok(!(await names()).includes(failed.name));
    const all = await run(make, ['--rm', '--json', '--out', '**']);
    const report = JSON.parse(all.stdout) as { out: { unmatched: string[] }; isDeleted: boolean };
    assert.deepEqual([all.status, report.out.unmatched, report.isDeleted], [0, [], true]);
    assert.ok(existsSync(join(all.out, 'other')) && !existsSync(join(all.out, '.git')));
  });

  test('keeps the VM, with --rm too, when the way out fails or nothing was made, and says so', async () => {
    writeFileSync(join(lab.dir, 'taken'), '');
    const blocked = await run(make, ['--rm', '--out', 'dist/**'], 'taken');
    assert.equal(blocked.status, 125);
    assert.match(blocked.stderr, /files were not copied out: .*vm "box\d+" stays: banger vm cp/s);
    const nothing = await run('true', ['--rm', '--out', 'dist/**']);
    assert.equal(nothing.status, 125);
    assert.match(nothing.stderr, /nothing matches "dist\/\*\*"/);
    const failed = await run(`${make}; exit 7`, ['--rm', '--out', 'dist/**'], 'taken');
    assert.equal(failed.status, 7, 'the status of the command counts');
    // The daemon has seen that all of these clients are gone.
    await run(make, ['--rm', '--out', 'dist']);
    await until(async () => !(await names()).includes(`box${count}`));
    for (const { name } of [blocked, nothing, failed]) assert.ok((await names()).includes(name), name);
    daemon.abort();
    await daemon.ended;
    daemon = await lab.start();
    assert.ok((await names()).includes(blocked.name), 'no later daemon deletes it');
  });

  test('a file by its name goes to its place; patterns that leave the folder are refused', async () => {
    const one = await run(make, ['--rm', '--out', './dist/a.js']);
    assert.equal(one.status, 0, one.stderr);
    assert.ok(existsSync(join(one.out, 'dist/a.js')) && !existsSync(join(one.out, 'dist/sub')));
    const absolute = await run(make, ['--rm', '--out', join(lab.dir, `work${count + 1}`, 'dist/*.js')]);
    assert.equal(absolute.status, 0, absolute.stderr);
    assert.ok(existsSync(join(absolute.out, absolute.work.slice(1), 'dist/a.js')));
    for (const pattern of ['../x', '', '/']) assert.equal((await run('true', ['--out', pattern])).status, 2);
    const words = ['vm', 'run', '--out', 'x', '--', 'true'];
    const refused = await runCli(words, { env: lab.env, cwd: lab.dir, stdin: stdinOf() });
    assert.match(refused.stderr, /Cannot use --out without --out-dir/);
    assert.equal(refused.status, 2);
  });
});
