import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../base/errors.ts';
import { formatSize } from '../../base/text/size.ts';

/** `ms` without a byte after which a server counts as lost. */
const SILENCE_MS = 30_000;

const MAX_REDIRECTS = 5;

/** A download: its bytes, and how many there will be when the server says so. */
export interface Download {
  /** throws UPDATE_DOWNLOAD_FAILED when it is cut, and when there are more bytes than allowed */
  bytes: AsyncIterable<Buffer>;
  sizeBytes: number | undefined;
}

/** How much is downloaded, and through what. */
export interface DownloadOptions extends Abortable {
  maxBytes: number;
  /** the proxies of the user */
  env: Readonly<Record<string, string | undefined>>;
}

/**
 * Begins to download `url`: https, http of this host only, or a file. The caller reads all bytes.
 *
 * @throws {AppError} UPDATE_DOWNLOAD_FAILED naming the URL, without a password in it.
 */
export async function openDownload(url: string, options: DownloadOptions): Promise<Download> {
  const { maxBytes } = options;
  const found = await open(allowed(url), { ...options, redirects: 0 });
  const { sizeBytes } = found;
  if (sizeBytes !== undefined && sizeBytes > maxBytes) {
    found.close();
    throw tooLarge(url, maxBytes);
  }
  return { sizeBytes, bytes: bounded(found, { url, maxBytes, signal: options.signal }) };
}

/** Downloads a small file whole. @throws {AppError} UPDATE_DOWNLOAD_FAILED */
export async function downloadWhole(url: string, options: DownloadOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of (await openDownload(url, options)).bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

interface Opened {
  stream: AsyncIterable<Buffer>;
  sizeBytes: number | undefined;
  close: () => void;
}

async function* bounded(
  { stream, sizeBytes, close }: Opened,
  { url, maxBytes, signal }: Abortable & { url: string; maxBytes: number },
): AsyncGenerator<Buffer, void, undefined> {
  let count = 0;
  try {
    for await (const chunk of stream) {
      count += chunk.length;
      if (count > maxBytes) throw tooLarge(url, maxBytes);
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof AppError ? error : failed(url, messageOf(error), error);
  } finally {
    close();
  }
  if (sizeBytes !== undefined && count !== sizeBytes) throw failed(url, 'it was cut');
}

async function open(url: URL, options: DownloadOptions & { redirects: number }): Promise<Opened> {
  if (url.protocol === 'file:') return await openFile(url);
  const response = await request(url, options);
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
    response.destroy();
    if (options.redirects >= MAX_REDIRECTS) throw failed(url.href, 'it is redirected too often');
    const next = allowed(new URL(headers.location, url).href);
    if (next.protocol !== url.protocol) throw failed(url.href, `it is redirected to ${next.protocol}`);
    return await open(next, { ...options, redirects: options.redirects + 1 });
  }
  if (statusCode !== 200) {
    response.destroy();
    throw failed(url.href, statusCode === 404 ? 'not found' : `the server answers ${statusCode}`);
  }
  const length = headers['content-length'];
  const size = length === undefined ? undefined : Number(length);
  return { stream: response, sizeBytes: size, close: () => response.destroy() };
}

async function openFile(url: URL): Promise<Opened> {
  try {
    const path = fileURLToPath(url);
    const { size } = await stat(path);
    const stream = createReadStream(path);
    return { stream, sizeBytes: size, close: () => stream.destroy() };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw failed(url.href, 'not found', error);
    throw failed(url.href, messageOf(error), error);
  }
}

async function request(url: URL, { signal, env }: DownloadOptions): Promise<IncomingMessage> {
  signal.throwIfAborted();
  const isSecure = url.protocol === 'https:';
  const { get, Agent } = isSecure ? await import('node:https') : await import('node:http');
  const agent = new Agent({ proxyEnv: { ...env } });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = get(url, { agent, timeout: SILENCE_MS, headers: { 'user-agent': 'banger' } }, resolve);
  sent.once('timeout', () => sent.destroy(new Error('the server is silent')));
  sent.once('error', reject);
  const listener = onAbort(signal, () => sent.destroy(signal.reason));
  sent.once('close', () => {
    listener[Symbol.dispose]();
    agent.destroy();
  });
  try {
    return await promise;
  } catch (error) {
    signal.throwIfAborted();
    throw failed(url.href, messageOf(error), error);
  }
}

/** The URL, unless others on the way could read or change what it leads to. */
function allowed(text: string): URL {
  const url = URL.parse(text);
  if (!url) throw failed(text, 'it is no URL');
  const isOwnHost = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol === 'https:' || url.protocol === 'file:') return url;
  if (url.protocol === 'http:' && isOwnHost) return url;
  throw failed(text, 'it must begin with https://, or lead to this host');
}

function tooLarge(url: string, maxBytes: number): AppError {
  return failed(url, `it has more than ${formatSize(maxBytes)}`);
}

function failed(url: string, why: string, cause?: unknown): AppError {
  const shown = url.replace(/\/\/[^/@]*@/, '//');
  return new AppError('UPDATE_DOWNLOAD_FAILED', `Cannot download ${shown}: ${why}`, {
    hint: 'nothing was changed; check the network, and try again',
    details: { url: shown },
    cause,
  });
}
