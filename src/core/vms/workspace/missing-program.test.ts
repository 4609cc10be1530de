import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { explainMissingProgram } from './missing-program.ts';

/** A guest that has these programs. */
function guestWith(...programs: string[]): Pick<GuestAgent, 'run'> {
  return {
    async run({ argv: [program] }) {
      if (!programs.includes(String(program))) {
        throw new AppError('GUEST_FAILED', 'no', { details: { guestCode: 'not_found' } });
      }
      return { exit: { code: 0 }, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    },
  };
}

const explain = (error: unknown, ...programs: string[]): Promise<unknown> =>
  explainMissingProgram(error, {
    openAgent: async () => guestWith(...programs),
    vmName: 'web',
    signal: neverAborts(),
  });

test('a failure in a guest without git or a shell names the program', async () => {
  const failed = new AppError('WORKSPACE_BRANCH_REFUSED', 'the script ended with 127');
  for (const [has, missing] of [
    [[], 'sh'],
    [['git'], 'sh'],
    [['sh'], 'git'],
  ] as const) {
    const explained = await explain(failed, ...has);
    assert.ok(isAppError(explained, 'GUEST_PROGRAM_MISSING'));
    assert.match(explained.message, new RegExp(`has no "${missing}"$`));
    assert.equal(explained.cause, failed);
  }
});

test('any other failure stays as it is, and so does one of a guest that does not answer', async () => {
  const openAgent = () => Promise.reject(new AppError('GUEST_LOST', 'gone'));
  const failed = new AppError('WORKSPACE_BRANCH_REFUSED', 'it exists');
  assert.equal(await explain(failed, 'sh', 'git'), failed);
  for (const other of [new AppError('GUEST_LOST', 'gone'), new Error('a bug'), 'text']) {
    assert.equal(await explain(other), other);
  }
  const silent = { openAgent, vmName: 'web', signal: neverAborts() };
  assert.equal(await explainMissingProgram(failed, silent), failed);
});
