import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type KeptFacts, parseKeptFacts } from './kept-facts.ts';

const OBJECT = 'a'.repeat(40);

const FACTS: KeptFacts = {
  version: 1,
  commit: OBJECT,
  root: '/home/me/repo',
  commonDir: '/home/me/repo/.git',
  userGitDir: '/home/me/repo/.git',
  indexStamp: '1 2 3 4',
  head: { commit: OBJECT, ref: 'refs/heads/main' },
  settings: ['core.trustctime=true'],
  namesDigest: 'b',
  entriesDigest: 'c',
  gitFiles: { config: OBJECT, 'info/exclude': OBJECT },
  refs: { 'refs/heads/main': OBJECT },
  refsDigest: 'd',
  cutAt: [],
  indexTree: OBJECT,
  unchecked: [['path\u00e9', { mode: '100644', object: OBJECT }]],
  deleted: ['gone'],
  isPlain: false,
  choice: { path: '/home/me/repo', isWithUntracked: false, isWhole: false },
  summary: {
    repoRoot: '/home/me/repo',
    repoName: 'repo',
    trackedCount: 2,
    untrackedCount: 0,
    tooling: { files: [], pins: ['go@1.22.3'] },
  },
};

test('parseKeptFacts() reads what was written', () => {
  assert.deepEqual(parseKeptFacts(JSON.stringify(FACTS)), FACTS);
});

test('facts with a field that is missing or of another kind are none', () => {
  const optional = new Set(['userGitDir', 'indexStamp', 'indexTree', 'deleted', 'isPlain']);
  for (const name of Object.keys(FACTS)) {
    const { [name]: _, ...rest } = FACTS as unknown as Record<string, unknown>;
    const parsed = parseKeptFacts(JSON.stringify(rest));
    assert.equal(parsed !== undefined, optional.has(name), name);
    assert.equal(parseKeptFacts(JSON.stringify({ ...rest, [name]: 1.5 })), undefined, name);
  }
});

test('facts never make git run with a commit that is an option, or in a relative folder', () => {
  for (const wrong of [
    { commit: '--upload-pack=x' },
    { root: 'repo' },
    { commonDir: '.git' },
    { version: 2 },
  ]) {
    assert.equal(parseKeptFacts(JSON.stringify({ ...FACTS, ...wrong })), undefined);
  }
});

test('any text is facts or none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.constant(JSON.stringify(FACTS).slice(0, -1))), (text) => {
      const parsed = parseKeptFacts(text);
      assert.ok(parsed === undefined || parsed.version === 1);
    }),
  );
});
