import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../base/errors.ts';
import { formatEgressRule, parseEgressRule } from './egress-rule.ts';
import { formatIpAddress, parseIpAddress } from './ip-address.ts';

/** The examples with which the program that enforces the rules is tested. */
const EXAMPLES = JSON.parse(
  readFileSync(
    new URL('../../../host/internal/net/policy/rule/testdata/rules.json', import.meta.url),
    'utf8',
  ),
) as { valid: Record<string, string>; invalid: Record<string, string> };

test('each form of a rule is read and printed as the network process does', () => {
  assert.ok(Object.keys(EXAMPLES.valid).length > 10);
  for (const [text, printed] of Object.entries(EXAMPLES.valid)) {
    assert.equal(formatEgressRule(parseEgressRule(text)), printed, text);
  }
});

test('what is no rule is refused with the reason of the network process, and the forms of a rule', () => {
  assert.ok(Object.keys(EXAMPLES.invalid).length > 10);
  for (const [text, reason] of Object.entries(EXAMPLES.invalid)) {
    assert.throws(
      () => parseEgressRule(text),
      (error: unknown) =>
        error instanceof AppError &&
        error.code === 'NETWORK_RULE_INVALID' &&
        error.message.includes(reason) &&
        error.hint?.includes('a rule is HOST') === true,
      text,
    );
  }
});

test('any text is a rule that reads the same again, or one error', () => {
  const part = fc.constantFrom(
    'tcp/',
    'udp/',
    '*.',
    'a',
    '.',
    ':',
    '[',
    ']',
    '/',
    '-',
    '80',
    '10.0.0.0',
    '::',
    'fe80',
    '@',
    'é',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      let printed: string;
      try {
        printed = formatEgressRule(parseEgressRule(given));
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === 'NETWORK_RULE_INVALID');
        return;
      }
      assert.equal(formatEgressRule(parseEgressRule(printed)), printed);
    }),
  );
});

test('an address is printed in a form that is read as the same address', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const address = parseIpAddress(text);
      assert.ok(address, text);
      assert.deepEqual(parseIpAddress(formatIpAddress(address)), address);
    }),
  );
});

test('the shortest form of an IPv6 address leaves out its longest run of zeros', () => {
  const shortest = {
    '0:0:0:0:0:0:0:0': '::',
    '0:0:0:0:0:0:0:1': '::1',
    '1:0:0:0:0:0:0:0': '1::',
    '1:0:2:3:4:5:6:7': '1:0:2:3:4:5:6:7',
    '1:0:0:2:0:0:0:3': '1:0:0:2::3',
    '0:0:1:0:0:1:2:3': '::1:0:0:1:2:3',
    '1:10:0:0:1:2:3:4': '1:10::1:2:3:4',
  };
  for (const [long, short] of Object.entries(shortest)) {
    assert.equal(formatIpAddress(parseIpAddress(long) ?? { width: 32, value: 0n }), short);
  }
});
