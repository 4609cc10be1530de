import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { parseConfig } from '../../../config/config-file.ts';
import { renderDecision, renderVerdict } from './render-decision.ts';
import { learnTime, renderLearned } from './render-learned.ts';
import { networkLines } from './render-network-lines.ts';

test('what was learned is a table of the config file, with a comment at each risky rule', () => {
  const text = renderLearned('web', {
    rules: [
      { rule: '@npm', warnings: [], uses: 12 },
      { rule: '10.0.0.1:5432', warnings: ['its addresses are on a network near the host'], uses: 1 },
    ],
    missed: 3,
  });
  assert.match(text, /"10\.0\.0\.1:5432", # 1 connection; careful: its addresses are/);
  assert.match(text, /^# 3 connections found no room/);
  const { network } = parseConfig(text, 'config.toml');
  assert.deepEqual(network?.policies?.get('web'), ['@npm', '10.0.0.1:5432']);
  assert.match(renderLearned('web', { rules: [], missed: 0 }), /no connection/);
});

test('whatever a guest used, what was learned stays a list of rules', () => {
  const rule = fc.record({
    rule: fc.string(),
    warnings: fc.array(fc.string(), { maxLength: 2 }),
    uses: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 5 }), (rules) => {
      const table = parse(renderLearned('web', { rules, missed: 0 })) as {
        network?: { policies: { web: { allow: string[] } } };
      };
      assert.equal(table.network?.policies.web.allow.length ?? 0, rules.length);
    }),
  );
});

test('a decision is one line without characters that a terminal would obey', () => {
  const refused = { time: '2026-01-02T03:04:05.678Z', kind: 'tcp', verdict: 'refused', reason: 'no rule' };
  assert.equal(
    renderDecision({
      ...refused,
      name: 'evil.test',
      address: '2001:db8::1',
      port: 443,
      allow: 'evil.test:443',
    }),
    '2026-01-02T03:04:05 tcp  refused evil.test [2001:db8::1]:443 | no rule | --allow evil.test:443',
  );
  assert.equal(
    renderDecision({
      time: '2026-01-02T03:04:05Z',
      kind: 'dns',
      verdict: 'allowed',
      name: 'a.test',
      rule: '@npm',
      count: 4,
    }),
    '2026-01-02T03:04:05 dns  allowed a.test | by @npm | 4 more',
  );
  fc.assert(
    fc.property(fc.string(), (name) => {
      assert.match(renderDecision({ ...refused, name }), /^[^\p{Cc}]*$/u);
    }),
  );
});

test('a verdict says why, and what would allow it', () => {
  const text = renderVerdict('evil.test:443', {
    allowed: false,
    reason: 'no rule',
    allow: 'evil.test:443',
    steps: ['DNS would refuse the name: no rule is for it'],
  });
  assert.equal(
    text,
    'evil.test:443: refused\n- DNS would refuse the name: no rule is for it\nto allow it: --allow evil.test:443',
  );
});

test('rules are shown with what they have allowed, presets with their hosts', () => {
  const policy = {
    allow: ['@npm', 'a.test:443'],
    rules: [{ rule: 'npm.test:443', from: '@npm' }, { rule: 'a.test:443' }],
  };
  const counts = { mode: 'enforce', rules: [{ rule: '@npm', allowed: 7 }], refused: 1 };
  const shown = { vm: { id: '1', name: 'web' }, mode: 'user', exposedPorts: [] } as const;
  const text = networkLines({
    ...shown,
    exposedPorts: [],
    policy,
    process: { pid: 1, isConnected: true, counters: {}, policy: counts },
  });
  assert.match(text, /@npm +7 +npm\.test:443/);
  assert.match(text, /a\.test:443 +-/);
  assert.match(
    networkLines({ ...shown, exposedPorts: [], policy: { allow: [], rules: [] } }),
    /reaches nothing outside/,
  );
});

test('a time to learn is at least a moment and at most a day', () => {
  assert.equal(learnTime('10m'), 600_000);
  assert.throws(() => learnTime('25h'), { code: 'USAGE_OPTION_VALUE' });
  assert.throws(() => learnTime('0'), { code: 'USAGE_OPTION_VALUE' });
});
