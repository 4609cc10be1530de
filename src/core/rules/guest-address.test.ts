import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guestAddresses } from './guest-address.ts';

test('a user gets every address once, beginning with a block of their own', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 31 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (uid, part) => {
        const all = [...guestAddresses({ uid, random: () => part })];
        assert.equal(all.length, 256 * 254);
        assert.equal(new Set(all).size, all.length);
        const first = all.slice(0, 254);
        assert.ok(first.every((address) => address.startsWith(`127.77.${uid % 256}.`)));
        assert.ok(
          all.every((address) => /^127\.77\.\d{1,3}\.([1-9]\d?|1\d\d|2[0-4]\d|25[0-4])$/.test(address)),
        );
      },
    ),
    { numRuns: 10 },
  );
});
