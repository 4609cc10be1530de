import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { parseEgressRule } from '../../protocol/egress/egress-rule.ts';
import { PRESET_NAMES, type PresetName } from '../../protocol/egress/presets.ts';
import { HostPresets } from './host-presets.ts';

/** A host with these files in its home folder, and programs that print these texts. */
async function hostWith(
  t: TestContext,
  {
    files = {},
    programs = {},
    variables = {},
  }: {
    files?: Record<string, string>;
    programs?: Record<string, string>;
    variables?: Record<string, string>;
  },
): Promise<HostPresets> {
  const home = await mkdtemp(join(tmpdir(), 'presets-'));
  t.after(() => rm(home, { recursive: true }));
  const bin = join(home, 'bin');
  await mkdir(bin);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), text);
  }
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const env = { PATH: `${bin}:/usr/bin:/bin`, ...variables };
  const only = Object.keys(programs).length > 0 ? env : { ...env, PATH: bin };
  return new HostPresets({ env: only, home, aptDir: join(home, 'apt') });
}

function rulesOf(presets: HostPresets, name: PresetName): Promise<string[]> {
  return presets.rulesOf(name, { signal: neverAborts() });
}

const NPM_CONFIG = {
  registry: 'https://mirror.test/npm/',
  '@own:registry': 'http://own.test:4873/',
  'replace-registry-host': 'npmjs',
};

test('@npm is the registry of npm, and those of its scopes', async (t) => {
  const presets = await hostWith(t, { programs: { npm: `echo '${JSON.stringify(NPM_CONFIG)}'` } });
  assert.deepEqual(await rulesOf(presets, 'npm'), ['mirror.test:443', 'own.test:4873']);
});

test('@pypi is the index of pip, configured or its own', async (t) => {
  const lines = [
    "global.index-url='https://pip.test/simple'",
    String.raw`global.extra-index-url='https://a.test/x\nhttps://b.test/y'`,
  ];
  const list = `printf '%s\\n' ${lines.map((line) => `"${line.replaceAll('\\', '\\\\')}"`).join(' ')}`;
  const configured = await hostWith(t, { programs: { python3: `[ "$1" = -m ] && { ${list}; }` } });
  assert.deepEqual(await rulesOf(configured, 'pypi'), ['pip.test:443', 'a.test:443', 'b.test:443']);
  const own = await hostWith(t, {
    programs: { python3: '[ "$1" = -c ] && { echo https://index.test/simple; echo https://files.test; }' },
  });
  assert.deepEqual(await rulesOf(own, 'pypi'), ['index.test:443', 'files.test:443']);
  const byVariable = await hostWith(t, {
    programs: { python3: `[ "$1" = -m ] && { ${list}; }` },
    variables: { PIP_INDEX_URL: 'https://variable.test/simple', PIP_EXTRA_INDEX_URL: 'https://more.test' },
  });
  assert.deepEqual(await rulesOf(byVariable, 'pypi'), ['variable.test:443', 'more.test:443']);
});

test('@crates is what cargo is configured to use, and what it has used', async (t) => {
  const presets = await hostWith(t, {
    files: {
      '.cargo/config.toml':
        '[source.crates-io]\nreplace-with = "m"\n[source.m]\nregistry = "sparse+https://crates.test/index/"\n',
      '.cargo/registry/index/index.test-0123456789abcdef/config.json':
        '{"dl":"https://static.test/crates","api":"https://api.test"}',
      '.cargo/registry/index/broken.test-0123456789abcdef/config.json': 'null',
    },
  });
  const rules = await rulesOf(presets, 'crates');
  assert.deepEqual(rules, [
    'crates.test:443',
    'broken.test:443',
    'index.test:443',
    'static.test:443',
    'api.test:443',
  ]);
});

test('@go is the proxies and the checksum database of Go', async (t) => {
  for (const [database, host] of [
    ['sum.test', 'sum.test:443'],
    ['sum.test+key', 'sum.test:443'],
    ['sum.test+key https://mirror.test/sum', 'mirror.test:443'],
  ]) {
    const presets = await hostWith(t, {
      programs: { go: `printf '%s\\n' 'https://proxy.test|http://other.test:8080,direct' '${database}'` },
    });
    assert.deepEqual(await rulesOf(presets, 'go'), ['proxy.test:443', 'other.test:8080', host]);
  }
});

test('@debian is the enabled sources of apt, in both formats', async (t) => {
  const presets = await hostWith(t, {
    files: {
      'apt/sources.list':
        '# deb http://old.test x main\ndeb [arch=amd64 signed-by=/k] http://one.test/debian x main\n',
      'apt/sources.list.d/a.sources':
        'Types: deb\n# http://comment.test\nURIs: http://two.test/debian\n https://three.test/debian\nSuites: x\n\nEnabled: no\nURIs: http://off.test\n',
      'apt/sources.list.d/b.list.disabled': 'deb http://disabled.test x main\n',
      'apt/sources.list.d/c.list': 'deb cdrom:[Debian]/ x main\ndeb-src http://source.test x main\n',
    },
  });
  assert.deepEqual(await rulesOf(presets, 'debian'), ['one.test:80', 'two.test:80', 'three.test:443']);
});

test('a preset of a tool that is not there says so, and what to do instead', async (t) => {
  const presets = await hostWith(t, {});
  for (const name of ['npm', 'pypi', 'crates', 'go', 'debian'] as const) {
    await assert.rejects(
      rulesOf(presets, name),
      (error) => isAppError(error, 'NETWORK_PRESET_UNKNOWN') && error.message.includes(`@${name}`),
    );
  }
});

test('presets of public services are rules', async (t) => {
  const presets = await hostWith(t, {});
  for (const name of ['github', 'docker'] as const) {
    const rules = await rulesOf(presets, name);
    assert.ok(rules.length > 0);
    for (const rule of rules) parseEgressRule(rule);
  }
  assert.equal(new Set(PRESET_NAMES).size, PRESET_NAMES.length);
});

test('an aborted signal ends the search', async (t) => {
  const presets = await hostWith(t, { programs: { npm: 'sleep 60' } });
  const reason = new Error('enough');
  await assert.rejects(presets.rulesOf('npm', { signal: AbortSignal.abort(reason) }), reason);
});
