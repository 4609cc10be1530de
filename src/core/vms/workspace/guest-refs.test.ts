import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { PRINT_REFS, parseRefs } from './guest-refs.ts';

const ONE = '1'.repeat(40);
const TWO = '2'.repeat(40);

suite('the refs of a guest are those that its git tells', () => {
  /** Runs `steps` in a new repository and compares what git says of it with what is read without git. */
  function compared(steps: (git: (...args: string[]) => string, dir: string) => void): string[] {
    const dir = mkdtempSync(join(tmpdir(), 'gr-'));
    try {
      const env = { PATH: process.env['PATH'] ?? '', HOME: dir, GIT_CONFIG_NOSYSTEM: '1' };
      const run = (program: string, ...args: string[]): string =>
        execFileSync(program, args, { cwd: dir, env, encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'] });
      const git = (...args: string[]): string =>
        run('git', '-c', 'user.name=a', '-c', 'user.email=a@b', ...args).trim();
      git('init', '-q', '-b', 'main');
      steps(git, dir);
      const told = git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/heads', 'refs/banger/sent');
      const read = parseRefs(run('sh', '-c', PRINT_REFS).split('\n'));
      const lines = [...read].map(([name, commit]) => `${name} ${commit}`).sort();
      assert.deepEqual(lines, told === '' ? [] : told.split('\n').sort());
      return lines;
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  test('without a commit', () => {
    assert.deepEqual(
      compared(() => {}),
      [],
    );
  });

  test('in files of their own, packed, and both; tags and other refs are left out', () => {
    const lines = compared((git) => {
      git('commit', '-q', '--allow-empty', '-m', 'one');
      git('branch', 'a/b/c');
      git('tag', '-a', '-m', 'tag', 'v1');
      git('update-ref', 'refs/banger/sent', 'HEAD');
      git('update-ref', 'refs/banger/sent2', 'HEAD');
      git('pack-refs', '--all');
      git('commit', '-q', '--allow-empty', '-m', 'two');
      git('branch', 'later');
      git('branch', 'à-ł');
      git('update-ref', 'refs/remotes/origin/main', 'HEAD');
    });
    assert.equal(lines.length, 5);
  });

  test('with one that names another, a broken one, and a lock', () => {
    compared((git, dir) => {
      git('commit', '-q', '--allow-empty', '-m', 'one');
      git('symbolic-ref', 'refs/heads/other', 'refs/heads/main');
      git('symbolic-ref', 'refs/heads/loop', 'refs/heads/loop2');
      git('symbolic-ref', 'refs/heads/loop2', 'refs/heads/loop');
      mkdirSync(join(dir, '.git/refs/heads/deep'));
      writeFileSync(join(dir, '.git/refs/heads/deep/new.lock'), `${ONE}\n`);
    });
  });
});

test('what a guest prints in place of refs gives no other names and commits', () => {
  const piece = fc.constantFrom(
    '.git/',
    'refs/heads/',
    'a',
    ':',
    ' ',
    ONE,
    TWO,
    'ref: ',
    '.git/packed-refs:',
    '\r',
  );
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      for (const [name, commit] of parseRefs(lines)) {
        assert.match(name, /^refs\/[^\0- ]+$/);
        assert.match(commit, /^[0-9a-f]{40,64}$/);
      }
    }),
  );
});

test('many refs that name one another take no long time', () => {
  const lines = Array.from({ length: 20_000 }, (_, at) => `.git/refs/heads/${at}:ref: refs/heads/${at + 1}`);
  assert.equal(parseRefs(lines).size, 0);
});
