import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SecretSources } from '../../../src/adapters/secrets/secret-sources.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { networkOf } from '../../../src/core/vms/network/network-of.ts';
import { changedNetwork, networkOfNew } from '../../../src/core/vms/network/requested-network.ts';
import { parseSecret } from '../../../src/protocol/secret/secret-text.ts';
import type { VmNetwork } from '../../../src/protocol/vm.ts';

const options = { signal: neverAborts() };
let dir: string;
let sources: SecretSources;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secrets-'));
  const scripts = {
    pass: '[ "$*" = "show work/key" ] && printf "the password\\nuser: me\\n"',
    'secret-tool': 'printf "%s" "$*"',
  };
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(dir, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(dir, name), 0o755);
  }
  await writeFile(join(dir, 'token'), 'from a file\n');
  await writeFile(join(dir, 'lines'), 'one\ntwo\n');
  await writeFile(join(dir, 'empty'), '\n');
  await writeFile(join(dir, 'large'), 'x'.repeat(9000));
  await writeFile(join(dir, 'binary'), Buffer.from([0xff, 0xfe, 0x41]));
  sources = sourcesAt(`${dir}:${process.env['PATH']}`);
});
after(() => rm(dir, { recursive: true }));

test('each source gives its value', async () => {
  for (const [source, value] of [
    [`file:${dir}/token`, 'from a file'],
    ['command:echo one | tr o a', 'ane'],
    ['pass:work/key', 'the password'],
    ['secret-service:service=git,user=me', 'lookup service git user me'],
  ] as const) {
    assert.equal(await read(sources, source), value);
  }
  sources.remember('p', 'of a client');
  assert.equal(
    await sources.read({ name: 'A', kind: 'env', from: 'A', placeholder: 'p' }, options),
    'of a client',
  );
});

test('a source without a usable value is one clear error, without what it printed', async () => {
  const bare = sourcesAt(join(dir, 'nowhere'));
  for (const [of, source, why] of [
    [sources, `file:${dir}/missing`, /no such file/],
    [sources, `file:${dir}`, /EISDIR|illegal/],
    [sources, `file:${dir}/lines`, /several lines/],
    [sources, `file:${dir}/empty`, /empty/],
    [sources, `file:${dir}/large`, /longer than/],
    [sources, `file:${dir}/binary`, /not UTF-8/],
    [sources, 'command:echo hidden; echo hidden >&2; false', /"sh" failed/],
    [sources, 'command:printf banger-secret-1', /placeholder/],
    [sources, 'pass:hidden', /"pass" failed/],
    [bare, 'pass:work/key', /"pass" is not installed/],
    [bare, 'secret-service:a=b', /"secret-tool" is not installed/],
    [sources, 'env:UNKNOWN', /does not have your variables/],
  ] as const) {
    await assert.rejects(read(of, source), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'SECRET_SOURCE_UNUSABLE', source);
      assert.match(error.message, why);
      if (!source.startsWith('pass:hidden'))
        assert.doesNotMatch(JSON.stringify(error) + error.message, /hidden/);
      return true;
    });
  }
});

test('the network of a VM has secrets without values, and allows their servers', async () => {
  const world = worldOf(sources);
  const secrets = [
    { secret: 'TOKEN=env:MINE@API.test', value: 'hidden' },
    { secret: 'K=command:echo k@b.test:8443' },
  ];
  const made = await networkOfNew(
    world,
    { network: { mode: 'user', policy: { allow: [] }, secrets } },
    options,
  );
  assert.doesNotMatch(JSON.stringify(made), /hidden/);
  assert.deepEqual(made.policy?.allow, ['api.test:443', 'b.test:8443']);
  assert.match(made.secrets?.[0]?.placeholder ?? '', /^banger-secret-[0-9a-f]{32}$/);
  const open = await networkOfNew(world, { network: { mode: 'user', secrets } }, options);
  assert.equal(open.policy, undefined);
  assert.notEqual(open.secrets?.[0]?.placeholder, made.secrets?.[0]?.placeholder);
  const spec = networkOf({ network: made });
  assert.equal(spec.mode === 'user' && spec.secrets?.list.length, 2);
  assert.equal(networkOf({ network: { ...made, mode: 'none' } }).mode, 'none');
});

test('secrets are given again, changed and taken away, and stay when something else changes', async () => {
  const world = worldOf(sources);
  const change = async (
    present: VmNetwork,
    network: NonNullable<Parameters<typeof changedNetwork>[2]['network']>,
  ): Promise<VmNetwork> => (await changedNetwork(world, present, { network }, options)) ?? present;
  const first = await change(
    { mode: 'none' },
    { mode: 'user', secretChange: { add: [{ secret: 'A=command:echo a@a.test' }] } },
  );
  assert.deepEqual(first.policy?.allow, ['a.test:443']);
  const [one] = first.secrets ?? [];
  assert.equal(sources.takeRenewed(one?.placeholder ?? ''), true);
  assert.equal(sources.takeRenewed(one?.placeholder ?? ''), false);
  const again = await change(first, {
    mode: 'user',
    secretChange: { add: [{ secret: 'A=command:echo a@a.test' }] },
  });
  assert.deepEqual(again, first);
  const other = await change(first, {
    mode: 'user',
    secretChange: { add: [{ secret: 'A=command:echo a@c.test' }] },
  });
  assert.notEqual(other.secrets?.[0]?.placeholder, one?.placeholder);
  assert.equal(other.authority, first.authority);
  assert.deepEqual((await change(first, { mode: 'none' })).secrets, first.secrets);
  const lifted = await change(first, { mode: 'user', policy: { lift: true } });
  assert.deepEqual([lifted.policy, lifted.secrets], [undefined, first.secrets]);
  const without = await change(first, { mode: 'user', secretChange: { remove: ['A'] } });
  assert.deepEqual([without.secrets, without.authority], [undefined, undefined]);
  await assert.rejects(change(without, { mode: 'user', secretChange: { remove: ['A'] } }), {
    code: 'SECRET_UNKNOWN',
  });
  await assert.rejects(
    change(first, { mode: 'user', secretChange: { add: [{ secret: 'B=env:B@a.test' }] } }),
    {
      code: 'SECRET_SOURCE_UNUSABLE',
    },
  );
});

async function read(of: SecretSources, source: string): Promise<string> {
  return await of.read({ ...parseSecret(`A=${source}@a.test`), placeholder: 'none' }, options);
}

function sourcesAt(path: string): SecretSources {
  return new SecretSources({ env: { PATH: path, HOME: dir }, secret: async () => Buffer.alloc(32) });
}

function worldOf(secretValues: SecretSources): Parameters<typeof networkOfNew>[0] {
  return { presets: { rulesOf: async () => [] }, policies: new Map(), secretValues };
}
