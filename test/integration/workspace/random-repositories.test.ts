import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { preparedState, presentState } from '../../helpers/prepared-state.ts';
import { beginning, gitTries, type Step, step, take } from '../../helpers/random-steps.ts';
import { assertNothingLeft, assertSameToGit, makeScratch, sendTo } from '../../helpers/scratch-repository.ts';

/** Through the base image of a work disk, each takes longer. */
const RUNS = process.env['BANGER_TEST_WAY_IN'] === 'base' ? 4 : 15;

const writeOld = (name: string, text: string): Step => ({
  do: 'write',
  path: Buffer.from(name),
  content: Buffer.from(text),
  isOld: true,
});

/** Found by this test: a file with the size and time of another that it has replaced. */
const SAME_SIZE_AND_TIME: [Step[], Step[]] = [
  [writeOld('a', 'one\n'), writeOld('b c', 'two\n'), { do: 'stage-all' }, { do: 'commit' }],
  [{ do: 'move', path: Buffer.from('b c'), to: Buffer.from('a') }],
];

/** Found by this test: an untracked folder with the name of a tracked file. */
const FOLDER_FOR_FILE: [Step[], Step[]] = [
  [
    { do: 'write', path: Buffer.from('a'), content: Buffer.from(''), isOld: false },
    { do: 'stage-all' },
    { do: 'commit' },
  ],
  [
    { do: 'remove', path: Buffer.from('a') },
    { do: 'write', path: Buffer.from('a/b'), content: Buffer.from(''), isOld: false },
  ],
];

test('git in the guest shows the same random repository', async () => {
  await fc.assert(
    fc.asyncProperty(beginning, fc.array(step, { minLength: 3, maxLength: 25 }), async (first, then) => {
      using scratch = makeScratch();
      const root = scratch.init('repo');
      for (const each of [...first, ...then]) take(scratch, root, each);
      const hasHistory = gitTries(scratch, root, { args: ['rev-parse', '-q', '--verify', 'HEAD'] });
      const { guest } = await sendTo(scratch, root);
      assertSameToGit(scratch, root, guest, { hasHistory });
      assertNothingLeft(scratch);
      assert.equal(presentState(scratch, guest), preparedState(scratch, guest));
      const { guest: whole } = await sendTo(scratch, root, { name: 'whole', includeUntracked: true });
      assert.equal(presentState(scratch, whole), preparedState(scratch, whole), 'with untracked files');
    }),
    { numRuns: RUNS, examples: [FOLDER_FOR_FILE, SAME_SIZE_AND_TIME] },
  );
});
