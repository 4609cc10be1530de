import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

/** The command line as users get it: one CommonJS file. */
export interface BundledCli extends Disposable {
  readonly path: string;
}

/**
 * Bundles the command line of this checkout, as the build does, into a separate folder. The bundle starts ten
 * times as fast as the modules.
 */
export async function bundleCli(): Promise<BundledCli> {
  const folder = mkdtempSync(join(tmpdir(), 'bundle-'));
  const path = join(folder, 'banger.cjs');
  await build({
    entryPoints: [join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts')],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    logLevel: 'silent',
  });
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
