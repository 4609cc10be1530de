import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { Counts } from '../../scripts/test/counts.ts';
import { stageLine } from '../../scripts/test/counts.ts';
import { hostProcesses } from '../../scripts/test/processes.ts';

const RUN_FOLDER = join(import.meta.dirname, '..', '..', 'scripts', 'test', 'run-folder.ts');

describe('a test file that fails, in a stage with real processes or VMs', () => {
  let dir: string;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'second-'));
    await writeFile(
      join(dir, 'begin.mjs'),
      `import { appendFileSync, readFileSync } from 'node:fs';
       export function begin(name) {
         const file = ${JSON.stringify(dir)} + '/' + name + '.runs';
         appendFileSync(file, 'x');
         return readFileSync(file, 'utf8').length;
       }`,
    );
  });

  afterEach(async () => {
    await rm(dir, { recursive: true });
  });

  /** Writes a test file whose `body` knows which run it is, and counts its runs. */
  async function put(name: string, body: string): Promise<string> {
    const head = `import { test } from 'node:test'; import { begin } from './begin.mjs'; const run = begin('${name}');`;
    await writeFile(join(dir, `${name}.test.mjs`), `${head}\n${body}`);
    return `${name}.test.mjs`;
  }

  function runsOf(name: string): number {
    const file = join(dir, `${name}.runs`);
    return existsSync(file) ? readFileSync(file).length : 0;
  }

  async function run(files: readonly string[], env: Record<string, string> = {}) {
    const program = join(dir, 'run.mjs');
    await writeFile(
      program,
      `import { runFolder } from ${JSON.stringify(RUN_FOLDER)};
       const options = { root: ${JSON.stringify(dir)}, concurrency: 2, timeoutMs: 60_000, fileTimeoutMs: 60_000 };
       const write = (text) => process.stdout.write(text);
       const made = { ...options, scratch: ${JSON.stringify(dir)}, logs: () => [], write, onFailure() {} };
       write('COUNTS ' + JSON.stringify(await runFolder(${JSON.stringify(files)}, made)));`,
    );
    // With the first variable, a runner inside a test considers itself a child of the test, and runs nothing.
    const { NODE_TEST_CONTEXT: _ours, BANGER_TEST_RETRY: _set, ...inherited } = process.env;
    const { stdout, stderr } = spawnSync(process.execPath, [program], {
      env: { ...inherited, TMPDIR: dir, ...env },
      encoding: 'utf8',
    });
    const [text = '', counts] = stdout.split('COUNTS ');
    assert.ok(counts, stdout + stderr);
    return { text, counts: JSON.parse(counts) as Counts };
  }

  const FAILS_ONCE =
    "test('looks', () => { console.log('seen in run', run); if (run === 1) throw new Error('raced'); });";

  test('runs once more, and counts as passed when it passes then, with all about its first run', async () => {
    const flaky = await put('flaky', `${FAILS_ONCE} test('other', () => {});`);
    const good = await put('good', "test('good', () => {});");
    const { text, counts } = await run([flaky, good]);
    assert.deepEqual(counts, { passed: 3, failed: 0, skips: [], flakyFiles: [flaky] });
    assert.match(
      text,
      /^FLAKY flaky\.test\.mjs\nFAIL flaky\.test\.mjs:2 looks\n +Error: raced\n[\s\S]*^---- output of flaky\.test\.mjs\n +seen in run 1\n----\n/m,
    );
    assert.deepEqual([runsOf('flaky'), runsOf('good')], [2, 1]);
    assert.equal(stageLine(counts), '3 passed, 0 failed; 1 flaky file: flaky.test.mjs');
  });

  test('runs without what its first run has left running', async () => {
    const leaves = await put(
      'leaves',
      `import { spawn } from 'node:child_process';
       test('a', () => {
         if (run > 1) return;
         const env = { ...process.env, AT: process.env.TMPDIR + '/x' };
         console.log('pid', spawn('sleep', ['1234.5'], { detached: true, stdio: 'ignore', env }).pid);
         process.exit(1);
       });`,
    );
    const { text, counts } = await run([leaves]);
    assert.deepEqual(counts.flakyFiles, [leaves], text);
    const pid = Number(/pid ([0-9]+)/.exec(text)?.[1]);
    assert.ok(pid > 0 && !hostProcesses().some((one) => one.pid === pid), text);
  });

  test('counts as failed when it fails again, and does not run a third time', async () => {
    const bad = await put('bad', "test('bad', () => { throw new Error(`no good in run ${run}`); });");
    const { text, counts } = await run([bad]);
    assert.deepEqual(counts, { passed: 0, failed: 1, skips: [] });
    assert.doesNotMatch(text, /^FLAKY/m);
    for (const each of [1, 2]) assert.ok(text.includes(`no good in run ${each}`), text);
    assert.equal(runsOf('bad'), 2);
  });

  test('is known by the file that ran, also when its tests are written in another one', async () => {
    await writeFile(
      join(dir, 'shared.mjs'),
      "import { test } from 'node:test'; export const suite = (run, name) => test('shared', () => { if (run === 1 && name === 'two') throw new Error('raced'); });",
    );
    const files: string[] = [];
    for (const name of ['one', 'two', 'three']) {
      files.push(await put(name, `import { suite } from './shared.mjs'; suite(run, '${name}');`));
    }
    const { text, counts } = await run(files);
    assert.deepEqual(counts, { passed: 3, failed: 0, skips: [], flakyFiles: ['two.test.mjs'] });
    assert.deepEqual(['one', 'two', 'three'].map(runsOf), [1, 2, 1]);
    assert.match(text, /^FAIL two\.test\.mjs \(0 of 1, /m);
    assert.match(text, /^ok {3}one\.test\.mjs \(1 of 1, /m);
  });

  test('runs once more when it exits early, and when it has printed a warning', async () => {
    const exits = await put('exits', "test('a', () => { if (run === 1) process.exit(3); });");
    const warns = await put('warns', "test('a', () => { if (run === 1) process.emitWarning('leak'); });");
    const { text, counts } = await run([exits, warns]);
    assert.deepEqual(counts, { passed: 2, failed: 0, skips: [], flakyFiles: [exits, warns] }, text);
  });

  test('runs only once when more than five files fail, or when that is switched off', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const files: string[] = [];
    for (const name of names) files.push(await put(name, FAILS_ONCE));
    const many = await run(files);
    assert.deepEqual([many.counts.passed, many.counts.failed], [0, 6]);
    assert.match(many.text, /^---- output of f\.test\.mjs\n +seen in run 1$/m);
    assert.deepEqual(names.map(runsOf), [1, 1, 1, 1, 1, 1]);
    const switchedOff = await put('off', FAILS_ONCE);
    const { counts } = await run([switchedOff], { BANGER_TEST_RETRY: '0' });
    assert.deepEqual([counts.failed, runsOf('off')], [1, 1]);
  });
});
