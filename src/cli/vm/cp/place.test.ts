import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { copyPlaces } from './place.ts';

test('one of the two places is in a VM, and - is a stream', () => {
  assert.deepEqual(copyPlaces(['./a', 'web:/b c']), {
    from: { kind: 'host', path: './a' },
    to: { kind: 'guest', ref: 'web', path: '/b c' },
  });
  assert.deepEqual(copyPlaces(['web:/b:c', '-']), {
    from: { kind: 'guest', ref: 'web', path: '/b:c' },
    to: { kind: 'stream' },
  });
  assert.deepEqual(copyPlaces(['./web:/x', 'web:/']).from, { kind: 'host', path: './web:/x' });
  assert.deepEqual(copyPlaces(['/web:/x', 'web:/']).from, { kind: 'host', path: '/web:/x' });
});

for (const [source, target, why] of [
  ['a', 'b', /neither is in a VM/],
  ['-', '-', /neither/],
  ['a:/x', 'b:/y', /both are in VMs/],
  ['web:x', 'y', /not absolute/],
  ['web:', 'y', /not absolute/],
  ['', 'web:/x', /it is not a path/],
] as const) {
  test(`"${source}" to "${target}" is refused`, () => {
    assert.throws(() => copyPlaces([source, target]), { code: 'USAGE_ARGUMENTS', message: why });
  });
}

test('any two words are either a source and a target or refused', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('-', 'web:/a', './x', 'a:b'),
    fc.string().map((text) => `vm:/${text}`),
  );
  fc.assert(
    fc.property(word, word, (source, target) => {
      try {
        const { from, to } = copyPlaces([source, target]);
        assert.equal((from.kind === 'guest') !== (to.kind === 'guest'), true);
      } catch (error) {
        assert.ok(isAppError(error, 'USAGE_ARGUMENTS'));
      }
    }),
  );
});
