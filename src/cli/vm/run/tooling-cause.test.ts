import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ToolingCause } from './tooling-cause.ts';

function causeOf(...lines: string[]): string {
  const cause = new ToolingCause();
  for (const line of lines) cause.push(line);
  return cause.text();
}

test("mise's errors are the cause, not the hints after them, and not the tools that worked", () => {
  assert.equal(
    causeOf(
      '+ mise install --yes',
      'mise WARN  missing: node@99',
      '\u001b[31mmise ERROR\u001b[0m Failed to install core:node@99: HTTP status client error (404 Not Found)',
      'mise ERROR Version: 2026.6.1 linux-x64',
      'mise ERROR Run with --verbose or MISE_VERBOSE=1 for more information',
      '+ mise use --global --pin --yes go@1.22',
      'mise go@1.22 installed',
    ),
    'Failed to install core:node@99: HTTP status client error (404 Not Found)',
  );
});

test('if mise prints no error, the last line is the cause', () => {
  assert.equal(
    causeOf('+ mise trust', 'mise is not installed in this image', ''),
    'mise is not installed in this image',
  );
  assert.equal(causeOf('+ mise trust'), '');
});

test('the cause is short and has no control characters, whatever a guest writes', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string(),
          fc.string({ unit: 'binary' }).map((text) => `mise ERROR ${text}`),
        ),
      ),
      (lines) => {
        const text = causeOf(...lines, `mise ERROR ${'x'.repeat(5_000)}`);
        assert.ok(text.length > 0 && text.length < 1_000);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f]/);
      },
    ),
  );
});
