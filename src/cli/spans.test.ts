import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spansTable } from './render/spans.ts';
import { SpanRecorder } from './spans.ts';

test('parts are in the order of their beginning, added up, and together the whole', () => {
  let now = 0;
  const recorder = new SpanRecorder(() => now);
  const steps: [string, number][] = [
    ['daemon', 40],
    ['drives', 45],
    ['restore', 60],
    ['drives', 100],
    ['command', 110],
  ];
  for (const [stage, at] of steps) {
    now = at;
    recorder.begin(stage);
  }
  now = 150;
  const spans = recorder.spans();
  assert.deepEqual(spans, [
    { stage: 'cli', ms: 40 },
    { stage: 'daemon', ms: 5 },
    { stage: 'drives', ms: 25 },
    { stage: 'restore', ms: 40 },
    { stage: 'command', ms: 40 },
  ]);
  assert.equal(
    spans.reduce((sum, { ms }) => sum + ms, 0),
    150,
  );
  assert.equal(
    spansTable(spans),
    [
      'STAGE    MS',
      'cli      40',
      'daemon   5',
      'drives   25',
      'restore  40',
      'command  40',
      'total    150',
      '',
    ].join('\n'),
  );
});
