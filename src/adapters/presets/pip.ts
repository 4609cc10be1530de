import type { HostTools } from './host-tools.ts';

/** Prints the index that pip uses when none is configured, and the host of its files. */
const DEFAULT_INDEX =
  'from pip._internal.models.index import PyPI; print(PyPI.simple_url); print("https://" + PyPI.file_storage_domain)';

/** The indexes of pip's configuration; without any, pip's own. */
export async function pipHosts(tools: HostTools): Promise<string[]> {
  const configured = indexesIn((await tools.outputOf(['python3', '-m', 'pip', 'config', 'list'])) ?? '');
  const index = tools.variable('PIP_INDEX_URL') ?? configured.index;
  const extra = tools.variable('PIP_EXTRA_INDEX_URL') ?? configured.extra;
  const own = index ?? (await tools.outputOf(['python3', '-c', DEFAULT_INDEX])) ?? '';
  const missing = 'pip does not say which index it uses; it may not be installed on this host';
  return tools.rulesFor(`${own} ${extra ?? ''}`.split(/\s+/), missing);
}

/** The last of several sections wins, as with pip. */
function indexesIn(list: string): { index?: string; extra?: string } {
  const found: { index?: string; extra?: string } = {};
  for (const [, key, value = ''] of list.matchAll(/^[^\s=]+\.((?:extra-)?index-url)='(.*)'$/gm)) {
    const text = value.replaceAll('\\n', ' ').trim();
    if (key === 'index-url') found.index = text;
    else found.extra = text;
  }
  return found;
}
