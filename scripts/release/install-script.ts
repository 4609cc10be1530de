import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The script that users install a release with: `install.sh` of this folder, with what it has to know. */
export async function installScript({
  version,
  baseUrl,
  keys,
  threshold,
}: {
  version: string;
  baseUrl: string;
  /** public keys in PEM */
  keys: readonly string[];
  threshold: number;
}): Promise<string> {
  if (baseUrl.includes("'")) throw new Error('--base-url has a quote in it');
  const text = await readFile(join(import.meta.dirname, 'install.sh'), 'utf8');
  return text
    .replaceAll('@BASE_URL@', () => baseUrl.replace(/\/+$/, ''))
    .replaceAll('@VERSION@', () => version)
    .replaceAll('@PUBLIC_KEYS@', () => keys.map((key) => key.trim()).join('\n'))
    .replaceAll('@THRESHOLD@', () => String(threshold));
}
