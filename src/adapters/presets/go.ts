import type { HostTools } from './host-tools.ts';

/** The module proxies and the checksum database of Go's configuration. */
export async function goHosts(tools: HostTools): Promise<string[]> {
  const output = (await tools.outputOf(['go', 'env', 'GOPROXY', 'GOSUMDB'])) ?? '';
  const [proxies = '', database = ''] = output.split('\n');
  // `NAME`, `NAME+KEY` or `NAME+KEY URL`.
  const [name = '', url] = database.trim().split(/\s+/);
  const sums = url ?? (name === 'off' ? '' : `https://${name.replace(/\+.*$/, '')}`);
  const missing = 'Go does not say which proxy it uses; it may not be installed on this host, or use none';
  return tools.rulesFor([...proxies.split(/[,|]/), sums], missing);
}
