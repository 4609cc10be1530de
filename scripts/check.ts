import { join } from 'node:path';
import { CHECKS } from './check/checks.ts';
import { runChecks } from './check/run-checks.ts';
import { countsLine } from './test/counts.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown !== undefined) {
    const known = CHECKS.map((check) => check.name).join(', ');
    process.stderr.write(`error: Cannot run the check "${unknown}": it is none of ${known}\n`);
    return 2;
  }
  const root = join(import.meta.dirname, '..');
  const counts = await runChecks(root, { names, write: (text) => process.stdout.write(text) });
  process.stdout.write(`${countsLine(counts)}\n`);
  return counts.failed === 0 ? 0 : 1;
}
