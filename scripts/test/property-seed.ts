// Loaded into every test process: properties try the same cases in every run, so that a run can be repeated
// and a change is to blame for what it breaks. BANGER_TEST_SEED is another number, or "random" to look for
// new cases.
import fc from 'fast-check';

const asked = process.env['BANGER_TEST_SEED'] ?? '1';
if (asked !== 'random') {
  const seed = Number(asked);
  if (!Number.isSafeInteger(seed))
    throw new Error(`BANGER_TEST_SEED "${asked}" is no whole number, nor "random"`);
  fc.configureGlobal({ seed });
}
