import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../base/errors.ts';
import { checkVmName } from './vm-name.ts';

for (const [name, problem] of [
  ['', /required/],
  ['MyBox', /invalid character 'M' at position 1/],
  ['my box', /invalid character ' ' at position 3/],
  ['box.vm', /invalid character '\.' at position 4/],
  ['box_1', /invalid character '_'/],
  ['bóx', /invalid character 'ó' at position 2/],
  ['a\u001b[2J', /invalid character '\\u001b'/],
  ['-box', /-/],
  ['box-', /-/],
  ['a'.repeat(64), /is 64 characters; max is 63/],
] as const) {
  test(`${JSON.stringify(name.slice(0, 20))} is refused`, () => {
    assert.throws(() => checkVmName(name), { code: 'VM_NAME_INVALID', message: problem });
  });
}

for (const name of ['a', '0', 'my-box', 'a--b', 'a'.repeat(63), '123456789012']) {
  test(`"${name.slice(0, 20)}" is a name`, () => checkVmName(name));
}

test('names are exactly the DNS labels in lower case; errors have no control characters', () => {
  const close = fc.string({ unit: fc.constantFrom('a', '9', '-', 'A', '.', '\n'), maxLength: 70 });
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), close), (name) => {
      const isLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) && !name.includes('\n');
      try {
        checkVmName(name);
        assert.ok(isLabel, name);
      } catch (error) {
        assert.ok(isAppError(error, 'VM_NAME_INVALID'), String(error));
        assert.ok(!isLabel, name);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is what is tested
        assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
      }
    }),
  );
});
