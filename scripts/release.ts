import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { neverAborts } from '../src/base/abort.ts';
import { messageOf } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { buildArtifacts } from './release/artifacts.ts';
import { publicHalf, sha256Sums, signingKey, signSums } from './release/checksums.ts';
import { commitToRelease } from './release/commit.ts';
import { installScript } from './release/install-script.ts';
import { type ReleaseOptions, releaseOptions, USAGE } from './release/options.ts';

const ROOT = join(import.meta.dirname, '..');
const CACHE = join(ROOT, '.cache/release-packages');

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  let options: ReleaseOptions | undefined;
  try {
    options = releaseOptions(argv);
  } catch (error) {
    process.stderr.write(`error: ${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    await release(options);
    return 0;
  } catch (error) {
    process.stderr.write(`error: Cannot make the release: ${messageOf(error)}\n`);
    return 1;
  }
}

/** Builds every package, then writes all of them: a failure leaves the output folder as it was. */
async function release({ version, outDir, archs, keyPath, baseUrl, level }: ReleaseOptions): Promise<void> {
  const signal = neverAborts();
  const info = await commitToRelease(ROOT, { version, signal });
  const key = keyPath === undefined ? undefined : signingKey(await readFile(keyPath, 'utf8'));
  say(`banger ${info.version}, commit ${info.commit}`);
  const artifacts = await buildArtifacts(ROOT, { info, archs, level, cacheDir: CACHE, say, signal });
  const sums = sha256Sums(artifacts);
  artifacts.push({ name: 'SHA256SUMS', content: Buffer.from(sums) });
  if (key) {
    artifacts.push({ name: 'SHA256SUMS.sig', content: Buffer.from(signSums(sums, key)) });
    if (baseUrl !== undefined) {
      const script = await installScript({ version: info.version, baseUrl, publicKey: publicHalf(key) });
      artifacts.push({ name: 'install.sh', content: Buffer.from(script) });
    }
  }
  const folder = resolve(outDir ?? join(ROOT, '.cache/release', info.version));
  await mkdir(folder, { recursive: true });
  for (const { name, content } of artifacts) {
    await writeFileAtomic(join(folder, name), content, { mode: name === 'install.sh' ? 0o755 : 0o644 });
    process.stdout.write(`${join(folder, name)}\n`);
  }
}

function say(text: string): void {
  process.stderr.write(`==> ${text}\n`);
}
