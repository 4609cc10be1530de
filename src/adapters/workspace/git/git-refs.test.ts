import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBaseRefs, formatRefs, type Ref } from './git-refs.ts';

const ref = (name: string, more: Partial<Ref> = {}): Ref => ({ name, object: `id-of-${name}`, ...more });

const REFS = [
  ref('refs/bisect/bad'),
  ref('refs/heads/feature', { upstream: 'refs/remotes/fork/feature' }),
  ref('refs/heads/other', { upstream: 'refs/remotes/fork/other' }),
  ref('refs/heads/trunk/new'),
  ref('refs/notes/commits'),
  ref('refs/notes/private'),
  ref('refs/remotes/fork/feature'),
  ref('refs/remotes/fork/other'),
  ref('refs/remotes/origin/HEAD', { target: 'refs/remotes/origin/trunk/new' }),
  ref('refs/remotes/origin/trunk/new'),
  ref('refs/replace/0123'),
  ref('refs/stash'),
];

test('chooseBaseRefs() takes the upstream, the local and the remote default branch, and refs that git itself reads', () => {
  const chosen = chooseBaseRefs(REFS, { ref: 'refs/heads/feature', commit: 'x' });
  assert.deepEqual(
    chosen.map(({ name }) => name),
    [
      'refs/bisect/bad',
      'refs/heads/trunk/new',
      'refs/notes/commits',
      'refs/remotes/fork/feature',
      'refs/remotes/origin/trunk/new',
      'refs/replace/0123',
    ],
  );
});

test('chooseBaseRefs() takes main and master when no remote names its default branch', () => {
  const refs = [ref('refs/heads/main'), ref('refs/heads/master'), ref('refs/heads/x')];
  assert.equal(chooseBaseRefs(refs, { commit: 'x' }).length, 2);
});

test('formatRefs() packs plain refs, and writes the HEAD of a remote to its own file, if its target exists', () => {
  const carried = new Set(['refs/heads/feature', 'refs/remotes/origin/trunk/new']);
  assert.deepEqual(
    [...formatRefs(REFS, carried)],
    [
      [
        'packed-refs',
        '# pack-refs with: sorted \nid-of-refs/heads/feature refs/heads/feature\nid-of-refs/remotes/origin/trunk/new refs/remotes/origin/trunk/new\n',
      ],
      ['refs/remotes/origin/HEAD', 'ref: refs/remotes/origin/trunk/new\n'],
    ],
  );
  assert.equal(formatRefs(REFS, new Set()).size, 1);
});
