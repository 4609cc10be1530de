import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ImageConfig } from '../../../src/protocol/image/image-config.ts';

const ARCH = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** Writes an image of this host's architecture as an OCI image layout with the tag `1`. */
export async function writeLayout(
  dir: string,
  { config, layers }: { config: ImageConfig; layers: readonly Buffer[] },
): Promise<void> {
  const blobs = join(dir, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const add = async (mediaType: string, content: Buffer) => {
    const digest = digestOf(content);
    await writeFile(join(blobs, digest.slice(7)), content);
    return { mediaType, digest, size: content.length };
  };
  const described = [];
  for (const layer of layers) {
    described.push(await add('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(layer)));
  }
  const { env, entrypoint, cmd, user, workingDir, labels } = config;
  const image = {
    ...{ architecture: ARCH, os: 'linux' },
    config: {
      ...{ Env: env, Entrypoint: entrypoint, Cmd: cmd, User: user },
      ...{ WorkingDir: workingDir, Labels: labels },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
  };
  const manifest = {
    ...{ schemaVersion: 2, mediaType: 'application/vnd.oci.image.manifest.v1+json' },
    config: await add('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(image))),
    layers: described,
  };
  const entry = await add(manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
  const named = { ...entry, annotations: { 'org.opencontainers.image.ref.name': '1' } };
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  await writeFile(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
