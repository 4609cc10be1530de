import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGuestConnector } from '../../../src/adapters/guest/connector.ts';
import { linuxHostFacts } from '../../../src/adapters/vmm/host-facts.ts';
import { agentGuest, createFakeVmDriver } from '../../support/fakes/fake-vm-driver.ts';
import { newPlace, processesWith } from './fixture.ts';
import { describeVmDriver } from './suite.ts';
import { buildTestGuest } from './test-guest.ts';

describeVmDriver('fake', async (dir) => {
  const guestPath = await buildTestGuest(dir, { signal: AbortSignal.timeout(120_000) });
  const boot = {
    arch: 'amd64' as const,
    kernelPath: join(dir, 'kernel'),
    initrdPath: join(dir, 'initrd'),
    bootArgs: [],
  };
  await writeFile(boot.kernelPath, 'never read');
  await writeFile(boot.initrdPath, 'never read');
  return {
    driver: { name: 'fake', cacheDir: join(dir, 'cache'), guestPath },
    dir,
    boot,
    accelerator: 'tcg',
    bootDeadlineMs: 10_000,
    lacks: {
      drives: 'the fake has no guest that sees drives',
      kernel: 'the fake boots no kernel',
      blocks: "the fake's drives are empty files",
      network: "the fake's guests have the host's network",
      panic: 'the fake has no kernel that could panic',
    },
    processes: () => processesWith('--socket', dir),
  };
});

test('the fake driver with the real agent as its guest is reached like a VM', async (context) => {
  const agentPath = join(import.meta.dirname, `../../../agent/bin/banger-agent-${linuxHostFacts().arch}`);
  if (!existsSync(agentPath)) return context.skip('the agent is not built: npm run setup');
  const dir = await mkdtemp(join(tmpdir(), 'vf-'));
  const boot = { arch: 'amd64' as const, kernelPath: agentPath, initrdPath: agentPath, bootArgs: [] };
  const { spec } = await newPlace({ dir, boot, accelerator: 'tcg' });
  const signal = AbortSignal.timeout(30_000);
  const vm = await createFakeVmDriver(agentGuest(agentPath)).start(spec, { signal });
  {
    await using agent = await createGuestConnector().connect(vm.guestEndpoint, {
      signal,
      helloDeadlineMs: 10_000,
    });
    assert.equal((await agent.health({ signal })).init, 'agent');
    const { exit, stdout } = await agent.run(
      { argv: ['echo', 'hello'], user: String(process.geteuid?.()) },
      { signal },
    );
    assert.deepEqual([exit, stdout.toString()], [{ code: 0 }, 'hello\n']);
  }
  await vm.kill();
  await vm.exited;
  assert.deepEqual(await processesWith('--socket', dir), []);
  await rm(dir, { recursive: true });
});
