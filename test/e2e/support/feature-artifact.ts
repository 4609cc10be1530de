import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/**
 * Pushes the folder of a feature to a registry, as the tools for dev containers publish it; returns its
 * reference.
 */
export async function pushFeature(
  folder: string,
  { host, repository, tag }: { host: string; repository: string; tag: string },
): Promise<string> {
  const archive = execFileSync('tar', ['--owner=0', '--group=0', '-C', folder, '-c', '.']);
  const config = await pushBlob(Buffer.from('{}'), {
    host,
    repository,
    mediaType: 'application/vnd.devcontainers',
  });
  const mediaType = 'application/vnd.devcontainers.layer.v1+tar';
  const layers = [await pushBlob(archive, { host, repository, mediaType })];
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers });
  await send(`http://${host}/v2/${repository}/manifests/${tag}`, 'PUT', Buffer.from(manifest));
  return `${host}/${repository}:${tag}`;
}

async function pushBlob(
  content: Buffer,
  { host, repository, mediaType }: { host: string; repository: string; mediaType: string },
): Promise<{ mediaType: string; digest: string; size: number }> {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  await send(`http://${host}/v2/${repository}/blobs/uploads/?digest=${digest}`, 'POST', content);
  return { mediaType, digest, size: content.length };
}

async function send(url: string, method: string, content: Buffer): Promise<void> {
  const answer = await fetch(url, { method, body: new Uint8Array(content) });
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${await answer.text()}`);
}
