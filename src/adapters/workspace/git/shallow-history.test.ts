import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutGraph } from './shallow-history.ts';

test('cutGraph() keeps `depth` commits of a linear history', () => {
  const parents = new Map([
    ['d', ['c']],
    ['c', ['b']],
    ['b', ['a']],
    ['a', []],
  ]);
  const cut = cutGraph(parents, { tips: ['d'], depth: 2 });
  assert.deepEqual([...cut.commits], ['d', 'c']);
  assert.deepEqual(cut.boundary, ['c']);
  assert.deepEqual(cutGraph(parents, { tips: ['d'], depth: 4 }).boundary, []);
});

test('cutGraph() cuts a merge with an unknown parent', () => {
  const parents = new Map([
    ['merge', ['known', 'unknown']],
    ['known', []],
  ]);
  assert.deepEqual(cutGraph(parents, { tips: ['merge'], depth: 9 }).boundary, ['merge']);
});

test('cutGraph() leaves no commit with missing parents, except where it cuts', () => {
  const graph = fc.array(fc.array(fc.nat(30), { maxLength: 3 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(graph, fc.integer({ min: 1, max: 10 }), (lists, depth) => {
      const parents = new Map(lists.map((list, at) => [`${at}`, list.filter((p) => p > at).map(String)]));
      const cut = cutGraph(parents, { tips: ['0'], depth });
      for (const commit of cut.commits) {
        const isWhole = (parents.get(commit) ?? ['missing']).every((parent) => cut.commits.has(parent));
        assert.ok(isWhole || cut.boundary.includes(commit));
      }
      assert.ok(cut.boundary.every((commit) => cut.commits.has(commit)));
    }),
  );
});
