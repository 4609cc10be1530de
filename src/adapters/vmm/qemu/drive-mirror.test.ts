import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { LineSplitter } from '../../../base/line-splitter.ts';
import type { CaptureRequest, VmSpec } from '../../../core/ports/vmm.ts';
import type { BlankDisks } from '../blank-disks.ts';
import { openMirror } from './drive-mirror.ts';
import { openQmp, type QmpClient } from './qmp-client.ts';

/** QEMU, as far as it has block nodes and jobs: it does what it is told in order, and calls `onCommand` before it answers. */
interface BlockQemu {
  qmp: QmpClient;
  nodes: Set<string>;
  jobs: Set<string>;
}

async function playBlockQemu(onCommand: (command: string) => void): Promise<BlockQemu> {
  const [ours, theirs] = duplexPair();
  const [nodes, jobs] = [new Set<string>(), new Set<string>()];
  const run = (command: string, args: Record<string, string>): unknown => {
    if (command === 'blockdev-add') nodes.add(args['node-name'] ?? '');
    if (command === 'blockdev-del') assert.ok(nodes.delete(args['node-name'] ?? ''), 'no such node');
    if (command === 'blockdev-mirror') jobs.add(args['job-id'] ?? '');
    if (command === 'block-job-cancel') assert.ok(jobs.delete(args['device'] ?? ''), 'no such job');
    if (command === 'query-named-block-nodes') return [...nodes].map((name) => ({ 'node-name': name }));
    if (command === 'query-block-jobs')
      return [...jobs].map((device) => ({ device, ready: true, 'io-status': 'ok' }));
    return {};
  };
  const lines = new LineSplitter();
  theirs.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
  theirs.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) {
      const { execute, arguments: args, id } = JSON.parse(line);
      onCommand(execute);
      theirs.write(`${JSON.stringify({ return: run(execute, args), id })}\r\n`);
    }
  });
  const qmp = await openQmp(ours, { signal: new AbortController().signal });
  return { qmp, nodes, jobs };
}

const blanks: Pick<BlankDisks, 'copyTo'> = { copyTo: ({ target }) => writeFile(target, '') };

for (const moment of ['blockdev-add', 'blockdev-mirror', 'query-block-jobs']) {
  test(`an abort while QEMU runs "${moment}" leaves no copy, job or node`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'mirror-'));
    const stop = new AbortController();
    const qemu = await playBlockQemu((command) => {
      // QEMU has the command already: it runs whatever becomes of its caller.
      if (command === moment) stop.abort(new Error('enough'));
    });
    using _qmp = qemu.qmp;
    const drives = (['overlay', 'work'] as const).map((serial) => ({
      serial,
      pathOnHost: join(dir, serial),
    }));
    const request: CaptureRequest = {
      spec: { drives: [] as VmSpec['drives'] } as VmSpec,
      to: { memoryPath: '', statePath: '' },
      drives,
    };
    const options = { signal: stop.signal, blanks: blanks as BlankDisks };
    await assert.rejects(openMirror(qemu.qmp, request, options), /enough/);
    assert.deepEqual([[...qemu.nodes], [...qemu.jobs], await readdir(dir)], [[], [], []]);
    await rm(dir, { recursive: true });
  });
}
