import type { Counts } from '../test/counts.ts';
import { CHECKS } from './checks.ts';
import { readProject } from './project.ts';

/** Runs all checks, or those in `names`, in parallel. Writes their findings in the order of the list. */
export async function runChecks(
  root: string,
  { names, write }: { names: readonly string[]; write: (text: string) => void },
): Promise<Counts> {
  const project = await readProject(root);
  const wanted = CHECKS.filter((check) => names.length === 0 || names.includes(check.name));
  const running = wanted.map(async (check) => {
    const begun = performance.now();
    const findings = await check.run(project);
    return { name: check.name, findings, seconds: (performance.now() - begun) / 1000 };
  });
  let failed = 0;
  for (const { name, findings, seconds } of await Promise.all(running)) {
    if (findings.length > 0) failed += 1;
    write(`${findings.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds.toFixed(1)} s)\n`);
    for (const finding of findings) write(`     ${finding}\n`);
  }
  return { passed: wanted.length - failed, failed, skips: [] };
}
