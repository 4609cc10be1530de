import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { publicHalf, sha256Sums, signText } from '../../../scripts/release/checksums.ts';
import { manifestText, manifestWith } from '../../../scripts/release/manifest.ts';
import type { Manifest } from '../../../src/cli/update/manifest.ts';

/** A key of the makers of releases. */
export interface ReleaseKey {
  signer: KeyObject;
  /** PEM */
  publicKey: string;
}

/** A new key. */
export function newKey(): ReleaseKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { signer: privateKey, publicKey: publicHalf(privateKey) };
}

/** A server of releases on this host. */
export interface ReleaseSite extends AsyncDisposable {
  readonly manifestUrl: string;
  /** files by their paths below the URL; a test may replace them */
  readonly files: Map<string, Buffer>;
  /** answers instead of the file, for one path */
  readonly answers: Map<string, (request: IncomingMessage, response: ServerResponse) => void>;
  /** paths that were asked for, in their order */
  readonly asked: string[];
  /** Adds a release and signs it and the list of releases. */
  publish(version: string, archive: Buffer, options?: { arch?: string }): void;
  /** Changes the list of releases and signs it again. */
  changeList(change: (list: Manifest) => Manifest): void;
}

/** Starts a server whose files the keys sign. */
export async function openReleaseSite(keys: readonly ReleaseKey[]): Promise<ReleaseSite> {
  const signers = keys.map(({ signer }) => signer);
  const files = new Map<string, Buffer>();
  const answers: ReleaseSite['answers'] = new Map();
  const asked: string[] = [];
  let list: Manifest | undefined;
  const put = (path: string, content: string | Buffer): void => void files.set(path, Buffer.from(content));
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const answer = answers.get(path);
    const content = files.get(path);
    if (answer) answer(request, response);
    else if (content) response.writeHead(200, { 'content-length': content.length }).end(content);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const publishList = (next: Manifest): void => {
    list = next;
    put('/manifest.json', manifestText(next));
    put('/manifest.json.sig', signText(manifestText(next), signers));
  };
  return {
    manifestUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/manifest.json`,
    files,
    answers,
    asked,
    publish(version, archive, { arch = 'amd64' } = {}) {
      const name = `banger-${version}-linux-${arch}.tar.zst`;
      const sums = sha256Sums([{ name, content: archive }]);
      put(`/${version}/${name}`, archive);
      put(`/${version}/SHA256SUMS`, sums);
      put(`/${version}/SHA256SUMS.sig`, signText(sums, signers));
      const before = files.has('/manifest.json') ? list : undefined;
      publishList(manifestWith(before, { version, builtAt: '2026-01-02T03:04:05.000Z', nowMs: Date.now() }));
    },
    changeList(change) {
      if (list) publishList(change(list));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
