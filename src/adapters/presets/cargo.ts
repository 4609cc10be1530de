import { join } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import type { HostTools } from './host-tools.ts';

/** Most registries that are looked at. */
const MAX_REGISTRIES = 50;

type Table = Record<string, unknown>;

/**
 * The registries of cargo's configuration, and those that it has used on this host: cargo keeps the
 * configuration of a registry, with the host of its files, beside the registry's index.
 */
export async function cargoHosts(tools: HostTools): Promise<string[]> {
  const home = tools.variable('CARGO_HOME') ?? join(tools.home, '.cargo');
  const config =
    (await tools.textOf(join(home, 'config.toml'))) ?? (await tools.textOf(join(home, 'config'))) ?? '';
  const indexes = join(home, 'registry', 'index');
  const used: string[] = [];
  for (const name of (await tools.namesIn(indexes)).slice(0, MAX_REGISTRIES)) {
    const text = await tools.textOf(join(indexes, name, 'config.json'));
    if (text === undefined) continue;
    used.push(`https://${name.replace(/-[0-9a-f]{16}$/, '')}/`, ...urlsIn(text));
  }
  const missing = 'cargo has no configured registry and has used none on this host';
  return tools.rulesFor([...configuredIn(config), ...used], missing);
}

/** The URLs of `dl` and `api` in a registry's configuration. */
function urlsIn(text: string): string[] {
  try {
    const { dl, api } = JSON.parse(text) as Table;
    return [dl, api].flatMap((url) => (typeof url === 'string' ? [url] : []));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    return [];
  }
}

function configuredIn(text: string): string[] {
  let config: Table;
  try {
    config = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return [];
  }
  const tables = [config['source'], config['registries']].flatMap((value) => Object.values(tableOf(value)));
  return tables.flatMap((value) => {
    const { registry, index } = tableOf(value);
    return [registry, index].flatMap((url) => (typeof url === 'string' ? [url] : []));
  });
}

function tableOf(value: unknown): Table {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
