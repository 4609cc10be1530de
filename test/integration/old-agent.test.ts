import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { OLDEST_AGENT_GENERATION } from '../../src/protocol/guest.ts';
import { buildOldAgent, type OldAgent } from '../support/fakes/old-agent.ts';
import { startAgent } from '../support/real-agent.ts';

const signal = neverAborts();
// The tests need not be root: commands run as the user of the tests.
const user = String(process.geteuid?.());

let dir: string;
let old: OldAgent;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'old-'));
  old = await buildOldAgent(dir, { signal });
});

after(() => rm(dir, { recursive: true, force: true }));

for (const [host, newest] of [
  ['this host', undefined],
  ['a host that is two generations ahead', OLDEST_AGENT_GENERATION + 2],
] as const) {
  test(`${host} runs commands, copies files and lists ports with the agent of an older version`, async (t) => {
    if ('whyNone' in old) return t.skip(old.whyNone);
    await using agent = await startAgent(old.program);
    const generations = newest === undefined ? undefined : { oldest: OLDEST_AGENT_GENERATION, newest };
    await using link = await agent.connect(generations);
    assert.equal(link.generation, OLDEST_AGENT_GENERATION);
    assert.equal((await link.health({ signal })).generation, OLDEST_AGENT_GENERATION);

    const input = Buffer.alloc(3_000_000, 'payload ');
    const ran = await link.run({ argv: ['sh', '-c', 'cat; exit 7'], user }, { signal, input });
    assert.deepEqual(ran.exit, { code: 7 });
    assert.ok(ran.stdout.equals(input));

    const from = join(dir, `from-${newest}`);
    await mkdir(from);
    await writeFile(join(from, 'file'), input);
    const to = join(dir, `to-${newest}`);
    assert.equal((await link.putTar(to, await link.getTar(from, { signal }), { signal })).entries, 1);
    assert.ok((await readFile(join(to, 'file'))).equals(input));
    assert.deepEqual(await link.stat(join(to, 'file'), { signal }), {
      kind: 'file',
      sizeBytes: input.length,
    });

    const server = net.createServer((socket) => socket.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    assert.ok((await link.ports({ signal })).some((each) => each.port === port));
    const stream = await link.tcp(port, { signal });
    const closed = once(stream, 'close');
    assert.equal((await buffer(stream)).toString(), 'hello');
    await closed;
    assert.equal(stream.errored, null, 'it ends a connection with the output of its port');
    await new Promise((resolve) => server.close(resolve));
    assert.ok((await link.stats({ signal })).cpu.count > 0);
    await assert.rejects(link.exec({ signal, timeoutMs: 1_000 }), {
      code: 'GUEST_GENERATION',
      message: /^Cannot limit the time of a command in the guest: the VM has an earlier agent/,
    });
    await assert.rejects(link.jobs({ signal }), { code: 'GUEST_GENERATION', hint: /^restart the VM/ });
    await assert.rejects(link.startJob({ argv: ['true'] }, { signal }), { code: 'GUEST_GENERATION' });
  });
}
