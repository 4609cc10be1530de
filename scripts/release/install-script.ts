import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The script that users install a release with: `install.sh` of this folder, with what it has to know. */
export async function installScript({
  version,
  baseUrl,
  publicKey,
}: {
  version: string;
  baseUrl: string;
  publicKey: string;
}): Promise<string> {
  if (baseUrl.includes("'")) throw new Error('--base-url has a quote in it');
  const text = await readFile(join(import.meta.dirname, 'install.sh'), 'utf8');
  return text
    .replaceAll('@BASE_URL@', () => baseUrl.replace(/\/+$/, ''))
    .replaceAll('@VERSION@', () => version)
    .replaceAll('@PUBLIC_KEY@', () => publicKey.trim());
}
