import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { AppError } from '../errors.ts';
import { reportNoSpace, requireNotFull, requireSpace } from './no-space.ts';

const request = { what: 'the thing', dir: tmpdir() };

test('the error for a full file system, quota or database names the folder and its free space', async () => {
  const full = Object.assign(new Error('database or disk is full'), {
    code: 'ERR_SQLITE_ERROR',
    errcode: 13,
  });
  const errors = [...['ENOSPC', 'EDQUOT'].map((code) => Object.assign(new Error('no'), { code })), full];
  for (const cause of errors) {
    const work = async (): Promise<never> => {
      throw cause;
    };
    await assert.rejects(reportNoSpace(work, { ...request, neededBytes: 2 ** 20 }), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'HOST_NO_SPACE');
      assert.match(error.message, /^Cannot make the thing in ".*": .* are free, 1M are needed$/);
      assert.deepEqual([error.details?.['path'], error.details?.['neededBytes']], [request.dir, 2 ** 20]);
      assert.equal(error.cause, cause);
      return true;
    });
  }
});

test('other failures and successes are passed on unchanged', async () => {
  const error = new AppError('EXEC_FAILED', 'It failed');
  const work = async (): Promise<never> => {
    throw error;
  };
  await assert.rejects(reportNoSpace(work, request), (one) => one === error);
  assert.equal(await reportNoSpace(async () => 7, request), 7);
});

test('work that needs more space than there is fails before it begins', async () => {
  await requireSpace({ ...request, neededBytes: 1 });
  await requireNotFull(request);
  await assert.rejects(requireSpace({ ...request, neededBytes: 2 ** 60 }), { code: 'HOST_NO_SPACE' });
});
