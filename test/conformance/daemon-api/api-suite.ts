import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { BangerClient } from '../../../src/sdk/client.ts';
import type { ExecSession } from '../../../src/sdk/exec-session.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { shell } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

/** A daemon under test. */
export interface ApiBench extends AsyncDisposable {
  client: BangerClient;
}

const signal = neverAborts();

/**
 * What the tests of the command line rely on when they use the fake daemon. The client checks the shape of
 * every answer, so this also shows that both daemons answer in the same shapes.
 */
export function describeDaemonApi(name: string, open: () => Promise<ApiBench>): void {
  describe(`the API of the ${name} daemon`, () => {
    let bench: ApiBench;
    let client: BangerClient;

    before(async () => {
      bench = await open();
      ({ client } = bench);
    });
    after(() => bench[Symbol.asyncDispose]());

    const exec = (script: string): Promise<ExecSession> => client.exec('box', shell(script), { signal });
    const run = async (script: string) => {
      using session = await exec(script);
      const { exit, stdout, stderr } = await session.collect();
      return { exit, stdout: stdout.toString(), stderr: stderr.toString() };
    };

    test('a VM is created with a report of its spec and steps, and is found by id and name', async () => {
      const events: string[] = [];
      const made = await resultOf(client.createVm({ name: 'box', vcpuCount: 1 }, { signal }), ({ event }) => {
        events.push(event);
      });
      assert.deepEqual([made.name, made.state, made.shape.vcpuCount], ['box', 'running', 1]);
      assert.ok(events.includes('spec') && events.includes('progress'), String(events));
      for (const ref of ['box', made.id]) assert.equal((await client.showVm(ref, { signal })).id, made.id);
      assert.deepEqual(
        (await client.listVms({ signal })).map(({ id }) => id),
        [made.id],
      );
    });

    test('an unknown name is not found, in every call', async () => {
      const calls = [
        client.showVm('nobody', { signal }),
        client.exec('nobody', shell('true'), { signal }),
        ...['stopVm', 'startVm', 'deleteVm'].map((call) =>
          resultOf(client[call as 'stopVm' | 'startVm' | 'deleteVm']('nobody', { signal })),
        ),
        resultOf(client.setVm('nobody', { vcpuCount: 1 }, { signal })),
        resultOf(client.renameVm('nobody', 'somebody', { signal })),
      ];
      for (const call of calls) {
        await assert.rejects(call, { code: 'VM_NOT_FOUND', hint: 'banger vm list --all' });
      }
    });

    test('a command has output, input and a status', async () => {
      assert.deepEqual(await run('echo out; echo err >&2; exit 7'), {
        exit: { code: 7 },
        stdout: 'out\n',
        stderr: 'err\n',
      });
      using session = await exec('cat');
      await session.write(Buffer.alloc(200_000, 'x'));
      const { exit, stdout } = await session.collect();
      assert.deepEqual([exit, stdout.length], [{ code: 0 }, 200_000]);
    });

    test('a missing command cannot be started', async () => {
      using session = await client.exec('box', { ...shell(''), argv: ['no-such-program'] }, { signal });
      await assert.rejects(session.collect(), { code: 'COMMAND_NOT_FOUND' });
    });

    test('a signal reaches the command, and ends one that does not handle it', async () => {
      using handled = await exec("trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.05; done");
      const output = handled.output();
      assert.equal((await output.next()).value?.kind, 'stdout');
      handled.sendSignal('SIGTERM');
      const seen: string[] = [];
      for await (const event of output) {
        // Some shells also print to stderr that the signal has ended their `sleep`.
        if (event.kind === 'stdout') seen.push(String(event.chunk));
        else if (event.kind === 'exit') seen.push('exit');
      }
      assert.deepEqual(seen, ['got\n', 'exit']);
      using ended = await exec('sleep 600');
      ended.sendSignal('SIGKILL');
      assert.deepEqual((await ended.collect()).exit, { signal: 'SIGKILL', number: 9 });
    });

    test('a terminal has the requested size, also after a change', async () => {
      const script = 'stty size; read line; stty size';
      const start = { ...shell(script), pty: { rows: 31, cols: 93, term: 'xterm' } };
      using session = await client.exec('box', start, { signal });
      let text = '';
      let isOver = false;
      const reading = (async () => {
        for await (const event of session.output()) if (event.kind === 'stdout') text += String(event.chunk);
        isOver = true;
      })();
      await until(() => text.includes('31 93'));
      session.resize({ rows: 41, cols: 101 });
      await session.write(Buffer.from('\n'));
      await reading;
      assert.ok(isOver && text.includes('41 101'), text);
    });

    test('disposing a session ends its command', async () => {
      const session = await exec('echo $$; exec sleep 600');
      const first = (await session.output().next()).value;
      const pid = first?.kind === 'stdout' ? Number(String(first.chunk)) : Number.NaN;
      assert.ok(pid > 1);
      session[Symbol.dispose]();
      await until(
        async () => (await run(`kill -0 ${pid} 2>/dev/null && echo lives || echo gone`)).stdout === 'gone\n',
      );
    });

    test('a VM is renamed, stopped, changed, started and deleted', async () => {
      assert.equal((await resultOf(client.renameVm('box', 'crate', { signal }))).name, 'crate');
      assert.equal((await resultOf(client.stopVm('crate', { signal }))).state, 'stopped');
      assert.deepEqual(await client.listVms({ signal }), []);
      assert.equal((await client.listVms({ signal, isAll: true })).length, 1);
      await assert.rejects(client.exec('crate', shell('true'), { signal }), { code: 'VM_NOT_RUNNING' });
      const changed = await resultOf(client.setVm('crate', { vcpuCount: 2 }, { signal }));
      assert.equal(changed.shape.vcpuCount, 2);
      assert.equal((await resultOf(client.startVm('crate', { signal }))).state, 'running');
      await resultOf(client.deleteVm('crate', { signal }));
      assert.deepEqual(await client.listVms({ signal, isAll: true }), []);
    });

    test('a daemon describes itself', async () => {
      const status = await client.daemonStatus({ signal });
      assert.ok(status.pid > 0 && status.rssBytes > 0);
      assert.equal(status.runningVmCount, 0);
    });
  });
}
