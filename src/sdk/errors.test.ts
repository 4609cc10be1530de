import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../base/errors.ts';
import { connectionError, errorFromBody } from './errors.ts';

describe('errorFromBody()', () => {
  test('keeps all fields of an error body', () => {
    const error = errorFromBody({ code: 'A_B', message: 'm', hint: 'h', details: { n: 1 } }, 'GET /v1/x');
    assert.deepEqual([error.code, error.message, error.hint, error.details], ['A_B', 'm', 'h', { n: 1 }]);
  });

  test('removes control characters, so that no error can control a terminal', () => {
    const error = errorFromBody({ code: 'A', message: 'a\u001b]0;title\u0007b\nc', hint: '\u001b[2J' }, 'x');
    assert.equal(error.message, 'a ]0;title b c');
    assert.equal(error.hint, '[2J');
  });

  test('cuts endless messages and causes', () => {
    const body = { code: 'A', message: 'x'.repeat(1e6), causes: Array(1000).fill('c') as string[] };
    const error = errorFromBody(body, 'x');
    assert.ok(error.message.length <= 4096);
    let depth = 0;
    for (let next = error.cause; next instanceof Error; next = next.cause) depth += 1;
    assert.equal(depth, 16);
  });

  test('makes an AppError with one printable line of any body', () => {
    fc.assert(
      fc.property(fc.anything(), (body) => {
        const error = errorFromBody(body, 'GET /v1/x');
        assert.ok(error instanceof AppError);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
        assert.doesNotMatch(`${error.message}${error.hint ?? ''}`, /[\u0000-\u001f\u007f]/);
      }),
    );
  });
});

describe('connectionError()', () => {
  const where = { where: 'GET /v1/x', socketPath: '/s' };
  const errno = (code: string): Error => Object.assign(new Error(code), { code });

  test('maps errors of the socket to codes', () => {
    const cases: Record<string, string> = {
      ENOENT: 'DAEMON_UNREACHABLE',
      ECONNREFUSED: 'DAEMON_UNREACHABLE',
      EACCES: 'DAEMON_UNREACHABLE',
      ECONNRESET: 'DAEMON_LOST',
      EPIPE: 'DAEMON_LOST',
      HPE_INVALID_CONSTANT: 'DAEMON_PROTOCOL',
    };
    for (const [code, expected] of Object.entries(cases)) {
      const error = connectionError(errno(code), where);
      assert.ok(error instanceof AppError);
      assert.equal(error.code, expected, code);
    }
  });

  test('returns unknown errors unchanged', () => {
    const unknown = errno('EWHATEVER');
    assert.equal(connectionError(unknown, where), unknown);
  });
});
