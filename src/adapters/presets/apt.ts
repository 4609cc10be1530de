import { join } from 'node:path';
import type { HostTools } from './host-tools.ts';

/** Most files of sources that are read. */
const MAX_FILES = 100;

/** The hosts of apt's sources on this host. */
export async function aptHosts(tools: HostTools): Promise<string[]> {
  const folder = join(tools.aptDir, 'sources.list.d');
  const names = (await tools.namesIn(folder)).filter((name) => /\.(?:list|sources)$/.test(name));
  const paths = [
    join(tools.aptDir, 'sources.list'),
    ...names.slice(0, MAX_FILES).map((name) => join(folder, name)),
  ];
  const urls: string[] = [];
  for (const path of paths) {
    const text = (await tools.textOf(path)) ?? '';
    urls.push(...(path.endsWith('.sources') ? urisIn(text) : urlsOfLines(text)));
  }
  return tools.rulesFor(urls, 'apt has no sources on this host');
}

/** Of `deb [options] URL suite...` lines. */
function urlsOfLines(text: string): string[] {
  return [...text.matchAll(/^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)/gm)].map(([, url = '']) => url);
}

/** Of the `URIs` fields of paragraphs that are enabled; lines that begin with a blank continue a field. */
function urisIn(text: string): string[] {
  return text
    .replaceAll(/^#.*\n?/gm, '')
    .split(/\n\s*\n/)
    .filter((paragraph) => !/^Enabled:\s*no\s*$/im.test(paragraph))
    .flatMap((paragraph) => /^URIs:(.*(?:\n[ \t].*)*)/im.exec(paragraph)?.[1]?.trim().split(/\s+/) ?? []);
}
