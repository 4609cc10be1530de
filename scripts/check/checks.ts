import { dirname, join } from 'node:path';
import { goEnv } from '../build/go-env.ts';
import type { Project } from './project.ts';
import { BOUNDARY_RULES, TEXT_RULES, UNUSED_RULES } from './rules.ts';
import { runRules } from './run-rules.ts';
import { outputOf, problemsOf } from './tool.ts';

/** One check of `npm run check`. */
export interface Check {
  name: string;
  /** Returns a line for each finding; none when the check passes. */
  run(project: Project): Promise<string[]> | string[];
}

/** All checks, in the order in which they are printed. Add one here. */
export const CHECKS: readonly Check[] = [
  {
    name: 'format-and-lint',
    run: ({ root }) => problemsOf([biome(root), 'check', '--error-on-warnings', '.'], { cwd: root }),
  },
  { name: 'types', run: ({ root }) => problemsOf(['node_modules/.bin/tsc', '-p', '.'], { cwd: root }) },
  { name: 'boundaries', run: (project) => runRules(project, BOUNDARY_RULES) },
  { name: 'unused', run: (project) => runRules(project, UNUSED_RULES) },
  { name: 'texts', run: (project) => runRules(project, TEXT_RULES) },
  { name: 'shell', run: checkShell },
  {
    name: 'go-format',
    run: ({ root }) => outputOf(['gofmt', '-l', 'agent', 'bench', 'host', 'root', 'test'], { cwd: root }),
  },
  { name: 'go-vet', run: checkGo },
  {
    name: 'generated-docs',
    run: ({ root }) => problemsOf([process.execPath, 'scripts/generate-docs.ts', '--check'], { cwd: root }),
  },
];

/**
 * Biome's main package depends on packages that some registries lack, so we use the platform's package.
 */
function biome(root: string): string {
  return join(root, `node_modules/@biomejs/cli-linux-${process.arch}/biome`);
}

/** Every shell script parses. */
async function checkShell({ root, texts }: Project): Promise<string[]> {
  const findings: string[] = [];
  for (const [path, text] of texts) {
    const shell = /^#!.*\b(bash|sh)\n/.exec(text)?.[1] ?? (path.endsWith('.sh') ? 'bash' : undefined);
    if (shell) findings.push(...(await problemsOf([shell, '-n', path], { cwd: root })));
  }
  return findings;
}

/**
 * `go vet` over every Go module: the agent, the host tools, the helper, and the small guests of tests and
 * measurements. One after another: two that run at once compile the standard library twice when Go's cache
 * is empty.
 */
async function checkGo({ root, texts }: Project): Promise<string[]> {
  const modules = [...texts.keys()].filter((path) => path.endsWith('/go.mod')).map(dirname);
  const findings: string[] = [];
  for (const folder of modules) {
    const options = { cwd: join(root, folder), env: goEnv() };
    findings.push(...(await problemsOf(['go', 'vet', './...'], options)));
  }
  return findings;
}
