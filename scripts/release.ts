import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { neverAborts } from '../src/base/abort.ts';
import { messageOf } from '../src/base/errors.ts';
import { writeFileAtomic } from '../src/base/files/atomic-file.ts';
import { type Manifest, parseManifest } from '../src/cli/update/manifest.ts';
import { buildArtifacts } from './release/artifacts.ts';
import { type Artifact, publicHalf, sha256Sums, signingKey, signText } from './release/checksums.ts';
import { commitToRelease } from './release/commit.ts';
import { installScript } from './release/install-script.ts';
import { manifestText, manifestWith, renewed } from './release/manifest.ts';
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
async function release(options: ReleaseOptions): Promise<void> {
  const { version, archs, level, baseUrl, threshold, renewPath } = options;
  const signal = neverAborts();
  const signers = await Promise.all(
    options.keyPaths.map(async (path) => signingKey(await readFile(path, 'utf8'))),
  );
  if (renewPath !== undefined) {
    const list = renewed(parseList(await readFile(renewPath, 'utf8')), { nowMs: Date.now() });
    await write(resolve(options.outDir ?? '.'), signedList(list, signers));
    return;
  }
  const info = await commitToRelease(ROOT, { version, signal });
  const given = await Promise.all(options.publicKeyPaths.map((path) => readFile(path, 'utf8')));
  const keys = given.length > 0 ? given : signers.map(publicHalf);
  const site = baseUrl?.replace(/\/+$/, '');
  const update = site === undefined ? undefined : { manifestUrl: `${site}/manifest.json`, keys, threshold };
  say(`banger ${info.version}, commit ${info.commit}`);
  const artifacts = await buildArtifacts(ROOT, { info, update, archs, level, cacheDir: CACHE, say, signal });
  const sums = sha256Sums(artifacts);
  artifacts.push({ name: 'SHA256SUMS', content: Buffer.from(sums) });
  if (signers.length > 0) {
    artifacts.push({ name: 'SHA256SUMS.sig', content: Buffer.from(signText(sums, signers)) });
    const { manifestPath } = options;
    const before = manifestPath === undefined ? undefined : parseList(await readFile(manifestPath, 'utf8'));
    artifacts.push(...signedList(manifestWith(before, { ...info, nowMs: Date.now() }), signers));
    if (site !== undefined) {
      const script = await installScript({ version: info.version, baseUrl: site, keys, threshold });
      artifacts.push({ name: 'install.sh', content: Buffer.from(script) });
    }
  }
  await write(resolve(options.outDir ?? join(ROOT, '.cache/release', info.version)), artifacts);
}

/** The list of releases and its signatures. */
function signedList(list: Manifest, signers: Parameters<typeof signText>[1]): Artifact[] {
  const text = manifestText(list);
  return [
    { name: 'manifest.json', content: Buffer.from(text) },
    { name: 'manifest.json.sig', content: Buffer.from(signText(text, signers)) },
  ];
}

/** A list of releases that may have expired. */
function parseList(text: string): Manifest {
  return parseManifest(text, { nowMs: 0 });
}

async function write(folder: string, artifacts: readonly Artifact[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { name, content } of artifacts) {
    await writeFileAtomic(join(folder, name), content, { mode: name === 'install.sh' ? 0o755 : 0o644 });
    process.stdout.write(`${join(folder, name)}\n`);
  }
}

function say(text: string): void {
  process.stderr.write(`==> ${text}\n`);
}
