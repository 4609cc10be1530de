import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runGoTests } from '../../scripts/test/go-tests.ts';
import { hostProcesses } from '../../scripts/test/processes.ts';
import { neverAborts, poll } from '../../src/base/abort.ts';

const RUNNER = join(import.meta.dirname, '..', '..', 'scripts', 'test.ts');

describe('the test runner', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'runner-'));
  });

  after(async () => {
    await rm(dir, { recursive: true });
  });

  async function put(path: string, text: string): Promise<string> {
    const target = join(dir, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
    return target;
  }

  async function run(source: string) {
    const path = await put('a.test.mjs', `import { describe, test } from 'node:test';\n${source}`);
    // With this variable, a runner inside a test would consider itself a child of the test and run nothing.
    const { NODE_TEST_CONTEXT: _ours, ...inherited } = process.env;
    const env = { ...inherited, BANGER_TEST_EVIDENCE: join(dir, 'evidence') };
    const { status, stdout } = spawnSync(process.execPath, [RUNNER, path], { env, encoding: 'utf8' });
    return { status, text: stdout, last: stdout.trimEnd().split('\n').at(-1) };
  }

  test('counts passed and skipped tests, and lists each skip with its reason', async () => {
    const { status, text, last } = await run(
      `test('a', () => {});
       test.skip('b', () => {});
       describe('outer', () => {
         describe('whole', { skip: 'no room' }, () => { test('x', () => {}); test('y', () => {}); });
         test('c', (t) => t.skip('not as this user'));
         test('d', { todo: 'soon' }, () => { throw new Error('not yet'); });
       });`,
    );
    assert.deepEqual({ status, last }, { status: 0, last: '1 passed, 0 failed, 4 skipped' }, text);
    const listed = /^skipped:\n(( {3}.*\n)+)/m.exec(text)?.[1] ?? '';
    assert.deepEqual(
      listed
        .replaceAll(/^ .*a\.test\.mjs > /gm, '')
        .trimEnd()
        .split('\n'),
      [
        'b: no reason is given',
        'outer > whole: no room',
        'outer > c: not as this user',
        'outer > d: to do: soon',
      ],
    );
  });

  test('fails a file without tests', async () => {
    for (const source of ["describe('empty', () => {});", '']) {
      const { status, text, last } = await run(source);
      assert.deepEqual({ status, last }, { status: 1, last: '0 passed, 1 failed' }, text);
      assert.match(text, /^FAIL .*a\.test\.mjs: no test is in it$/m);
    }
  });

  test('shows a failing test with the names around it and what its file printed', async () => {
    const { status, text, last } = await run(
      "describe('outer', () => { test('inner', () => { console.log('seen'); throw new TypeError('no good'); }); });",
    );
    assert.deepEqual({ status, last }, { status: 1, last: '0 passed, 1 failed' });
    assert.match(text, /^FAIL .*a\.test\.mjs:2 outer > inner\n +TypeError: no good/m);
    assert.match(text, /^---- output of .*a\.test\.mjs\n +seen$/m);
  });

  test('keeps the logs of a test that failed', async () => {
    const lines = [
      "import { mkdirSync, rmSync, writeFileSync } from 'node:fs';",
      "import { tmpdir } from 'node:os';",
      "const dir = tmpdir() + '/vm';",
      "test('a', async () => { mkdirSync(dir); writeFileSync(dir + '/console.log', 'panic'); throw new Error('x'); });",
      "test('b', () => new Promise((done) => setTimeout(() => { rmSync(dir, { recursive: true }); done(); }, 500)));",
    ];
    const { text } = await run(lines.join('\n'));
    assert.match(text, /^logs of the tests that failed are in .*evidence$/m);
    const [kept = ''] = readdirSync(join(dir, 'evidence'), { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith(join('vm', 'console.log')),
    );
    assert.equal(readFileSync(join(dir, 'evidence', kept), 'utf8'), 'panic');
  });

  test('fails a file that cannot be loaded, exits early, or warns', async () => {
    assert.equal((await run("throw new Error('at load');")).last, '0 passed, 1 failed');
    assert.equal((await run("test('a', () => process.exit(3));")).last, '0 passed, 1 failed');
    const warned = await run("test('a', () => process.emitWarning('leak'));");
    assert.deepEqual([warned.status, warned.last], [1, '1 passed, 1 failed']);
    assert.match(warned.text, /Warning: leak/);
  });

  test('ends a file that hangs, with all its processes, and lists those', async () => {
    const file = await put(
      'hangs.test.mjs',
      `import { spawn } from 'node:child_process';
       import { suite, test } from 'node:test';
       const start = (options) => spawn('sleep', ['1234.5'], { stdio: 'pipe', ...options });
       suite('hangs', { timeout: 100 }, () => {
         test('a', async () => {
           const strayed = start({ detached: true, stdio: 'ignore', env: { ...process.env, AT: process.env.TMPDIR + '/x' } });
           console.log('pids', process.pid, start().pid, strayed.pid);
           await new Promise(() => {});
         });
       });`,
    );
    const log = await put('some.log', 'the last line');
    const program = await put(
      'run.mjs',
      `import { runNodeTests } from ${JSON.stringify(join(import.meta.dirname, '..', '..', 'scripts', 'test', 'node-tests.ts'))};
       const options = { root: ${JSON.stringify(dir)}, concurrency: 1, timeoutMs: 60_000, fileTimeoutMs: 2_000 };
       const write = (text) => process.stdout.write(text);
       const logs = () => [${JSON.stringify(log)}];
       const made = { ...options, scratch: ${JSON.stringify(dir)}, logs, write, onFailure() {} };
       write(JSON.stringify(await runNodeTests(['hangs.test.mjs'], made)));`,
    );
    const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
    const { stdout } = spawnSync(process.execPath, [program], {
      env: { ...env, TMPDIR: dir },
      encoding: 'utf8',
    });
    assert.match(stdout, /"passed":0,"failed":[1-9][0-9]*,/);
    assert.ok(stdout.includes(`FAIL ${file}: it did not end within 2 s, and is killed with\n`), stdout);
    assert.match(stdout, /^ +the last line$/m);
    const pids = /pids ([0-9 ]+)/.exec(stdout)?.[1]?.split(' ') ?? [];
    assert.equal(pids.length, 3, stdout);
    const living = new Set(hostProcesses().map(({ pid }) => String(pid)));
    for (const pid of pids) {
      assert.match(stdout, new RegExp(`^ +${pid} of [0-9]+, `, 'm'));
      assert.ok(!living.has(pid), `${pid} lives`);
    }
  });

  test('leaves nothing behind when it is interrupted', async () => {
    const path = await put(
      'waits.test.mjs',
      `import { spawn } from 'node:child_process';
       import { writeFileSync } from 'node:fs';
       import { tmpdir } from 'node:os';
       import { test } from 'node:test';
       test('waits', () => {
         const strayed = spawn('sleep', ['1234.5'], { detached: true, stdio: 'ignore' });
         writeFileSync('${dir}/begun', JSON.stringify({ pids: [process.pid, strayed.pid], folder: tmpdir() }));
         return new Promise(() => setInterval(() => {}, 1000));
       });`,
    );
    const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
    const runner = spawn(process.execPath, [RUNNER, path], {
      env: { ...env, BANGER_TEST_EVIDENCE: join(dir, 'evidence') },
    });
    const ended = once(runner, 'exit');
    const begun = join(dir, 'begun');
    const look = (): true | undefined => (existsSync(begun) && readFileSync(begun).length > 0) || undefined;
    await poll(look, { everyMs: 50, deadlineMs: 60_000, what: 'the test to begin', signal: neverAborts() });
    runner.kill('SIGINT');
    assert.deepEqual(await ended, [130, null]);
    const { pids, folder } = JSON.parse(readFileSync(begun, 'utf8')) as { pids: number[]; folder: string };
    const living = hostProcesses().map(({ pid }) => pid);
    assert.deepEqual(
      pids.filter((pid) => living.includes(pid)),
      [],
    );
    assert.ok(!existsSync(folder));
  });

  test('counts Go tests, and a package that does not compile as one failure', async () => {
    await put('go/go.mod', 'module example.org/x\n\ngo 1.24\n');
    await put('go/bad/bad_test.go', 'package bad\n\nfunc broken() { return 1 }\n');
    const good = [
      'func TestGood(t *testing.T) {}',
      'func TestBad(t *testing.T) { t.Fatal("no good") }',
      'func TestSkipped(t *testing.T) { t.Skipf("no %s here", "namespaces") }',
    ];
    await put('go/good/good_test.go', `package good\n\nimport "testing"\n\n${good.join('\n')}\n`);
    let text = '';
    const counts = await runGoTests(join(dir, 'go'), {
      write: (part) => {
        text += part;
      },
    });
    assert.deepEqual(
      counts,
      { passed: 1, failed: 2, skips: ['example.org/x/good TestSkipped: no namespaces here'] },
      text,
    );
    assert.match(text, /FAIL example\.org\/x\/good TestBad\n[\s\S]*no good/);
    assert.match(text, /too many return values/);
  });
});
