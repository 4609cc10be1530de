import { join } from 'node:path';
import { CHECKS } from './check/checks.ts';
import { readProject } from './check/project.ts';

const ROOT = join(import.meta.dirname, '..');

process.exitCode = await main(process.argv.slice(2));

/** Runs all checks at once, or those that are named, and prints each one's findings in the list's order. */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !CHECKS.some((check) => check.name === name));
  if (unknown !== undefined) {
    const known = CHECKS.map((check) => check.name).join(', ');
    process.stderr.write(`error: Cannot run the check "${unknown}": it is none of ${known}\n`);
    return 2;
  }
  const wanted = CHECKS.filter((check) => names.length === 0 || names.includes(check.name));
  const project = await readProject(ROOT);
  const running = wanted.map(async (check) => {
    const begun = performance.now();
    const findings = await check.run(project);
    return { name: check.name, findings, seconds: (performance.now() - begun) / 1000 };
  });
  let failed = 0;
  for (const { name, findings, seconds } of await Promise.all(running)) {
    if (findings.length > 0) failed += 1;
    const state = findings.length === 0 ? 'ok  ' : 'FAIL';
    process.stdout.write(`${state} ${name} (${seconds.toFixed(1)} s)\n`);
    for (const finding of findings) process.stdout.write(`     ${finding}\n`);
  }
  process.stdout.write(`${wanted.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}
