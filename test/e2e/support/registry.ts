import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { ImageConfig } from '../../../src/protocol/image/image-config.ts';
import type { Arch } from '../../../src/protocol/image/platform.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const HOST_ARCH: Arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** What a registry does wrong. */
export type RegistryFault = 'half a layer' | 'another digest' | 'wants credentials' | 'fails';

/** A registry of images on loopback: what pulls and pushes need of the distribution specification. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** requests for layers so far */
  readonly layerRequests: number;
  /** blobs that were sent to it so far */
  readonly uploads: number;
  /** from now on; `undefined` for none */
  fault: RegistryFault | undefined;
  /** Lets the process end although the registry listens. */
  unref(): void;
  /**
   * Offers an image, of this host's architecture unless it has another, and returns its reference. Layers are
   * tar archives, compressed with gzip.
   */
  put(
    repository: string,
    image: { tag: string; config: ImageConfig; layers: readonly Buffer[]; arch?: Arch },
  ): string;
}

/** Opens a registry without images. */
export async function openRegistry(): Promise<TestRegistry> {
  const blobs = new Map<string, Buffer>();
  const layers = new Set<string>();
  const tags = new Map<string, string>();
  const state = { layerRequests: 0, uploads: 0, fault: undefined as RegistryFault | undefined };
  const add = (content: Buffer): { digest: string; size: number } => {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    blobs.set(digest, content);
    return { digest, size: content.length };
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://registry');
    if (state.fault === 'wants credentials')
      return end(response, 401, '{"errors":[{"code":"UNAUTHORIZED"}]}');
    if (state.fault === 'fails') return end(response, 500, 'out of order');
    if (pathname === '/v2/') return end(response, 200, '{}');
    if (request.method === 'POST' || request.method === 'PUT') {
      return void take(request, pathname, searchParams.get('digest')).then(
        ({ status, headers }) => end(response.setHeaders(new Map(Object.entries(headers))), status, ''),
        () => response.destroy(),
      );
    }
    const [, repository = '', kind = '', reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    const digest = tags.get(`${repository}:${reference}`) ?? reference;
    const content = blobs.get(digest);
    if (content === undefined) return end(response, 404, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    const isLayer = layers.has(digest);
    if (isLayer && request.method === 'GET') state.layerRequests += 1;
    response.setHeader('content-type', kind === 'manifests' ? MANIFEST : 'application/octet-stream');
    response.setHeader('docker-content-digest', digest);
    if (isLayer && state.fault === 'half a layer') {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, content.length / 2), () => response.destroy());
      return;
    }
    const isWrong = isLayer && state.fault === 'another digest';
    end(response, 200, isWrong ? Buffer.alloc(content.length, 1) : content, request.method === 'HEAD');
  });
  /** Takes a blob or a manifest, and says where a blob is to be sent. */
  async function take(
    request: IncomingMessage,
    pathname: string,
    wanted: string | null,
  ): Promise<{ status: number; headers: Record<string, string> }> {
    const content = await buffer(request);
    const [, repository = '', reference] = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(pathname) ?? [];
    if (reference === undefined && wanted === null) {
      return { status: 202, headers: { location: `${pathname}one` } };
    }
    const { digest } = add(content);
    if (wanted !== null && wanted !== digest) return { status: 400, headers: {} };
    if (reference === undefined) state.uploads += 1;
    else tags.set(`${repository}:${reference}`, digest);
    return { status: 201, headers: { 'docker-content-digest': digest } };
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    host,
    get layerRequests() {
      return state.layerRequests;
    },
    get uploads() {
      return state.uploads;
    },
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
    },
    unref: () => void server.unref(),
    put(repository, { tag, config, layers: tars, arch = HOST_ARCH }) {
      const { env, entrypoint, cmd, user, workingDir, labels } = config;
      const described = {
        architecture: arch,
        os: 'linux',
        config: {
          ...{ Env: env, Entrypoint: entrypoint, Cmd: cmd, User: user },
          ...{ WorkingDir: workingDir, Labels: labels },
        },
        rootfs: { type: 'layers', diff_ids: tars.map((tar) => diffIdOf(tar)) },
      };
      const packed = tars.map((tar) => add(gzipSync(tar)));
      for (const { digest } of packed) layers.add(digest);
      const manifest = {
        schemaVersion: 2,
        mediaType: MANIFEST,
        config: { mediaType: CONFIG, ...add(Buffer.from(JSON.stringify(described))) },
        layers: packed.map((blob) => ({ mediaType: LAYER, ...blob })),
      };
      tags.set(`${repository}:${tag}`, add(Buffer.from(JSON.stringify(manifest))).digest);
      return `${host}/${repository}:${tag}`;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function end(response: ServerResponse, status: number, content: Buffer | string, isHead = false): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(content) });
  response.end(isHead ? undefined : content);
}

function diffIdOf(tar: Buffer): string {
  return `sha256:${createHash('sha256').update(tar).digest('hex')}`;
}
