import { rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import { identityOf } from '../base/files/file-identity.ts';
import { ensurePrivateDir } from '../base/files/private-dir.ts';
import { listenUnix } from '../base/unix-socket.ts';

/** The socket that the API listens on, mode 0600, for as long as the daemon serves. */
export class ApiSocket implements AsyncDisposable {
  readonly #server: Server;
  readonly path: string;
  #folder: Disposable | undefined;
  #identity: string | undefined;

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.path = path;
  }

  /**
   * Makes the server listen. Replaces a socket that a killed daemon left: the caller is the only daemon for
   * this path.
   */
  static async open(server: Server, path: string): Promise<ApiSocket> {
    const socket = new ApiSocket(server, path);
    await socket.#listen();
    return socket;
  }

  /** True when the path still leads to this socket. */
  get isInPlace(): boolean {
    return this.#identity !== undefined && identityOf(this.path) === this.#identity;
  }

  /** Listens again when the socket's name or folder was deleted or replaced. Keeps open connections. */
  async restore(): Promise<boolean> {
    if (this.isInPlace || !this.#server.listening) return false;
    this.#server.close();
    this.#folder?.[Symbol.dispose]();
    await ensurePrivateDir(dirname(this.path));
    await this.#listen();
    return true;
  }

  /**
   * Deletes the socket's name if it still belongs to this socket. Call it after the server has closed.
   * Idempotent.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isInPlace) await rm(this.path, { force: true });
    this.#identity = undefined;
    this.#folder?.[Symbol.dispose]();
  }

  async #listen(): Promise<void> {
    this.#identity = undefined;
    await rm(this.path, { force: true });
    const before = process.umask(0o177);
    try {
      // The socket gets its mode when it is bound, which happens before the first await.
      const listening = listenUnix(this.#server, this.path);
      process.umask(before);
      this.#folder = await listening;
    } finally {
      process.umask(before);
    }
    this.#identity = identityOf(this.path);
  }
}
