import { messageOf } from '../../../src/base/errors.ts';
import { runUpdate } from '../../../src/cli/update/run-update.ts';

// An update in a process of its own, for tests that kill it: `run-update.ts HOME PROGRAM`.

const [home = '', programPath = ''] = process.argv.slice(2);
try {
  const result = await runUpdate(
    { isCheck: false, isDryRun: false, isForced: false },
    {
      env: { PATH: process.env['PATH'], HOME: home },
      home,
      programPath,
      step: () => {},
      notice: () => {},
      warn: () => {},
      signal: new AbortController().signal,
    },
  );
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
