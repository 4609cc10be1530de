import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { changesOf, type Hunk, hunkHeader, parseHunks, splitHunk, withChanges } from './diff-hunks.ts';

/** Few different lines, so that both files have many in common; some begin as lines of a diff do. */
const line = fc.constantFrom('a', 'b', 'c', '', '-- x', '++ y', '@@ -1 +1 @@', '\\ No newline', 'd\r');
const content = fc
  .tuple(fc.array(line, { maxLength: 40 }), fc.boolean())
  .map(([lines, hasEnd]) => lines.join('\n') + (hasEnd && lines.length > 0 ? '\n' : ''));

describe('hunks of a diff', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'hunks-'));
  });
  after(() => rmSync(dir, { recursive: true }));

  function diff(old: string, now: string): string {
    writeFileSync(join(dir, 'old'), old);
    writeFileSync(join(dir, 'new'), now);
    const ran = spawnSync('git', ['diff', '--no-index', '--no-color', '-U3', 'old', 'new'], { cwd: dir });
    assert.ok(ran.status === 0 || ran.status === 1, ran.stderr.toString());
    return ran.stdout.toString();
  }
  /** What git makes of the old file with a patch of these hunks. */
  function appliedByGit(old: string, hunks: readonly Hunk[]): string {
    writeFileSync(join(dir, 'old'), old);
    const body = hunks.flatMap((hunk) => [hunkHeader(hunk), ...hunk.lines]);
    const patch = `--- a/old\n+++ b/old\n${body.map((each) => `${each}\n`).join('')}`;
    const ran = spawnSync('git', ['apply', '--unidiff-zero', '--whitespace=nowarn', '--recount', '-'], {
      ...{ cwd: dir, input: patch, env: { ...process.env, GIT_CEILING_DIRECTORIES: tmpdir() } },
    });
    assert.equal(ran.status, 0, ran.stderr.toString());
    const read = spawnSync('cat', [join(dir, 'old')]);
    return read.stdout.toString();
  }

  test('all changes make the new file of the old, and none of them leaves it', () => {
    fc.assert(
      fc.property(content, content, (old, now) => {
        const changes = parseHunks(diff(old, now)).flatMap(changesOf);
        assert.equal(withChanges(old, changes), now);
        assert.equal(withChanges(old, []), old);
      }),
      { numRuns: 60 },
    );
  });

  test('some of the hunks make what git apply makes of them', () => {
    fc.assert(
      fc.property(content, content, fc.nat(), (old, now, choice) => {
        const hunks = parseHunks(diff(old, now)).filter((_, at) => (choice >> (at % 30)) % 2 === 1);
        if (hunks.length === 0) return;
        assert.equal(withChanges(old, hunks.flatMap(changesOf)), appliedByGit(old, hunks));
      }),
      { numRuns: 40 },
    );
  });

  test('the parts of a hunk have its changes, each one, and every part applies by itself', () => {
    fc.assert(
      fc.property(content, content, (old, now) => {
        for (const hunk of parseHunks(diff(old, now))) {
          const parts = splitHunk(hunk);
          assert.deepEqual(parts.flatMap(changesOf), changesOf(hunk));
          assert.equal(parts.length, changesOf(hunk).length);
          for (const part of parts) {
            assert.deepEqual(changesOf(part).length, 1);
            assert.equal(withChanges(old, changesOf(part)), appliedByGit(old, [part]));
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  test('parts begin and end with the lines that lie between two changes', () => {
    const old = '1\n2\n3\n4\n5\n6\n7\n';
    const [hunk, ...rest] = parseHunks(diff(old, '1\nb\n3\n4\n5\nf\n7\n'));
    assert.deepEqual(rest, []);
    const parts = hunk ? splitHunk(hunk) : [];
    assert.deepEqual(
      parts.map((part) => [hunkHeader(part), ...part.lines]),
      [
        ['@@ -1,5 +1,5 @@', ' 1', '-2', '+b', ' 3', ' 4', ' 5'],
        ['@@ -3,5 +3,5 @@', ' 3', ' 4', ' 5', '-6', '+f', ' 7'],
      ],
    );
  });
});
