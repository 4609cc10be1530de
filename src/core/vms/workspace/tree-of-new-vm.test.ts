import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import type { BaseOfTree, StoredBase } from '../../ports/work-disk-bases.ts';
import type { OpenedWorkspace, PackedWorkspace, WorkspaceSource } from '../../ports/workspace.ts';
import type { EarlyClaim } from '../pool/early-claim.ts';
import { openTree, QUICKLY_MADE_BYTES } from './tree-of-new-vm.ts';

const signal = neverAborts();

const BASE: BaseOfTree = {
  key: 'k',
  ...{ repoRoot: '/repo', imageName: 'image', diskSizeBytes: 1, diskBytes: 1 },
  ...{ createdAt: '2026-01-01T00:00:00Z', lastUsedAt: '2026-01-01T00:00:00Z' },
  ...{ file: '/disk', sentDir: '/sent', sentCommit: 'c' },
};

const summary = (repoName: string): PackedWorkspace['summary'] => ({
  ...{ repoRoot: '/repo', repoName, trackedCount: 1, untrackedCount: 0 },
});

/** What happened in a world with one base, which has the present tree or another one. */
function makeWorld({ base, isSame }: { base?: BaseOfTree; isSame: boolean }): {
  world: Parameters<typeof openTree>[0];
  events: string[];
} {
  const events: string[] = [];
  const packed = { tar: 'a tar' } as unknown as PackedWorkspace;
  const workspaces: Pick<WorkspaceSource, 'open' | 'sameAsSent'> = {
    sameAsSent: (dir, { path, branch, sentCommit }) => {
      events.push(
        `compare ${path} with ${dir} of ${sentCommit}${branch === undefined ? '' : ` on ${branch}`}`,
      );
      return Promise.resolve(isSame ? summary('kept') : undefined);
    },
    open: (path): Promise<OpenedWorkspace & AsyncDisposable> => {
      events.push(`open ${path}`);
      const pack = (): PackedWorkspace => {
        events.push('pack');
        return packed;
      };
      const end = (): Promise<void> => {
        events.push('end');
        return Promise.resolve();
      };
      return Promise.resolve({ summary: summary('opened'), pack, [Symbol.asyncDispose]: end });
    },
  };
  const bases = { ofTree: () => Promise.resolve(base) };
  return { world: { bases, workspaces: workspaces as WorkspaceSource }, events };
}

test('a tree that a base has is compared once, and neither opened nor packed', async () => {
  const { world, events } = makeWorld({ base: BASE, isSame: true });
  {
    await using tree = await openTree(world, { path: '/repo' }, { signal });
    assert.equal(tree.summary.repoName, 'kept');
    assert.equal(tree.isIn(BASE), true);
    assert.equal(tree.isIn({ ...BASE, key: 'of another image' }), undefined);
    assert.equal(tree.isIn({ ...BASE, createdAt: 'later' }), undefined, 'it was made again meanwhile');
  }
  assert.deepEqual(events, ['compare /repo with /sent of c']);
});

test('a tree that no base has is opened at once, so that it can be refused, and packed when it is needed', async () => {
  const { world, events } = makeWorld({ base: BASE, isSame: false });
  {
    await using tree = await openTree(world, { path: '/repo' }, { signal });
    assert.equal(tree.summary.repoName, 'opened');
    assert.equal(tree.isIn(BASE), false);
    assert.deepEqual(events.splice(0), ['compare /repo with /sent of c', 'open /repo']);
    await tree.pack({ signal });
    assert.deepEqual(events.splice(0), ['pack']);
    // What the first packing has begun may have been read.
    await tree.pack({ signal });
    assert.deepEqual(events.splice(0), ['end', 'open /repo', 'pack']);
  }
  assert.deepEqual(events, ['end']);
});

test('the name of a branch is checked although a base has the tree', async () => {
  const { world, events } = makeWorld({ base: BASE, isSame: true });
  await using tree = await openTree(world, { path: '/repo', branch: 'fix' }, { signal });
  assert.equal(tree.isIn(BASE), true);
  assert.deepEqual(events, ['compare /repo with /sent of c', 'open /repo']);
});

test('without a base, nothing is compared', async () => {
  const { world, events } = makeWorld({ isSame: true });
  await using tree = await openTree(world, { path: '/repo' }, { signal });
  assert.equal(tree.isIn(BASE), undefined);
  assert.deepEqual(events, ['open /repo']);
});

test('a VM that is set aside gets the base once the tree is known to be in it, and a large one before; it ends with the tree', async () => {
  const large: BaseOfTree = { ...BASE, diskBytes: QUICKLY_MADE_BYTES + 1 };
  const expected = [
    { base: BASE, isSame: true, events: ['set aside for image', 'compare', 'prepare /disk', 'end early'] },
    { base: BASE, isSame: false, events: ['set aside for image', 'compare', 'open', 'end early', 'end'] },
    {
      base: large,
      isSame: false,
      events: ['set aside for image', 'prepare /disk', 'compare', 'open', 'end early', 'end'],
    },
    { isSame: false, events: ['set aside for any', 'open', 'end early', 'end'] },
  ];
  for (const { events: wanted, ...parts } of expected) {
    const { world, events } = makeWorld(parts);
    const claimEarly = (base: StoredBase | undefined): EarlyClaim => {
      events.push(`set aside for ${base?.imageName ?? 'any'}`);
      return {
        prepare: ({ file }) => void events.push(`prepare ${file}`),
        take: () => Promise.resolve(undefined),
        [Symbol.asyncDispose]: async () => void events.push('end early'),
      };
    };
    {
      await using _tree = await openTree(world, { path: '/repo' }, { signal, claimEarly });
    }
    assert.deepEqual(
      events.map((event) => event.replace(/^(compare|open) .*/, '$1')),
      wanted,
    );
  }
});
