import type { HostTools } from './host-tools.ts';

/** The registries of npm's configuration, those of scopes too. */
export async function npmHosts(tools: HostTools): Promise<string[]> {
  const output = await tools.outputOf(['npm', 'config', 'list', '--json']);
  const missing = 'npm does not say which registry it uses; it may not be installed on this host';
  return tools.rulesFor(output === undefined ? [] : registriesIn(output), missing);
}

function registriesIn(output: string): string[] {
  let config: unknown;
  try {
    config = JSON.parse(output);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
  if (typeof config !== 'object' || config === null) return [];
  return Object.entries(config)
    .filter(([key]) => key === 'registry' || key.endsWith(':registry'))
    .flatMap(([, value]: [string, unknown]) => (typeof value === 'string' ? [value] : []));
}
