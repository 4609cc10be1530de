import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import { goArch } from '../../src/cli/system/plan.ts';
import { until } from '../support/until.ts';

const OWNER = 4711;
const SOCKET = '/run/helper.sock';
const signal = neverAborts();

/** A helper of root, started as systemd does, with a bridge that has a carrier. Disposing ends it. */
export class HelperOfRoot implements AsyncDisposable {
  readonly #end: () => Promise<void>;

  private constructor(end: () => Promise<void>) {
    this.#end = end;
  }

  static async start(root: string): Promise<HelperOfRoot> {
    const program = join(root, 'root', 'bin', `bangerd-root-${goArch()}`);
    const activate = ['--listen', SOCKET, program, '--owner', String(OWNER)];
    const child = spawn('systemd-socket-activate', activate, { stdio: 'inherit' });
    await until(() => existsSync(SOCKET), { what: SOCKET });
    await chown(SOCKET, OWNER, 0);
    await chmod(SOCKET, 0o600);
    const helper = new HelperOfRoot(async () => {
      child.kill();
      await once(child, 'exit');
      await rm(SOCKET);
    });
    await helper.ask('bridge.ensure', { bridge: 'br-fc', address: '172.30.0.1', prefix: 24 });
    // As a VM with its tap would: resolved uses a link only with a carrier.
    await exec(['ip', 'link', 'add', 'veth-a', 'type', 'veth', 'peer', 'name', 'veth-b'], { signal });
    for (const words of [
      ['veth-a', 'master', 'br-fc'],
      ['veth-a', 'up'],
      ['veth-b', 'up'],
    ])
      await exec(['ip', 'link', 'set', ...words], { signal });
    return helper;
  }

  /** Asks for one operation, which must succeed. */
  async ask(operation: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    const socket = connect(SOCKET);
    socket.end(`${JSON.stringify({ version: 1, operation, operation_id: 'resolvers', params })}\n`);
    assert.equal(await text(socket), '{"ok":true}\n', operation);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await exec(['ip', 'link', 'del', 'veth-a'], { signal });
    await this.ask('bridge.delete', { bridge: 'br-fc' });
    await this.#end();
  }
}
