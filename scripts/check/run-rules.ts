import type { Project, Rule } from './project.ts';

/** All findings of `rules`, one line each: `path:line rule: message`. */
export function runRules(project: Project, rules: readonly Rule[]): string[] {
  return rules.flatMap((rule) =>
    rule
      .find(project)
      .map(
        ({ path, line, message }) =>
          `${path}${line === undefined ? '' : `:${line}`} ${rule.name}: ${message}`,
      ),
  );
}
