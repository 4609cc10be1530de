// Loaded into every test process. Property tests try the same cases in every run, so that a failure can be
// reproduced and is caused by the change at hand. BANGER_TEST_SEED sets another seed; "random" looks for new
// cases.
import fc from 'fast-check';

const asked = process.env['BANGER_TEST_SEED'] ?? '1';
if (asked !== 'random') {
  const seed = Number(asked);
  if (!Number.isSafeInteger(seed))
    throw new Error(`BANGER_TEST_SEED "${asked}" is no whole number, nor "random"`);
  fc.configureGlobal({ seed });
}
