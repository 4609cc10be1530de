import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spansTable } from '../render/spans.ts';
import { SpanRecorder, spansOf } from './spans.ts';

test('parts are in the order of their start, and their durations add up to the whole', () => {
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

test('a branch starts with the spans of its recorder, and later spans of one do not appear in the other', () => {
  let now = 10;
  const recorder = new SpanRecorder(() => now);
  recorder.begin('daemon');
  now = 30;
  const branch = recorder.branch();
  branch.begin('kill');
  recorder.begin('sync');
  now = 35;
  assert.deepEqual(branch.spans(), [
    { stage: 'cli', ms: 10 },
    { stage: 'daemon', ms: 20 },
    { stage: 'kill', ms: 5 },
  ]);
  assert.deepEqual(recorder.spans(), [
    { stage: 'cli', ms: 10 },
    { stage: 'daemon', ms: 20 },
    { stage: 'sync', ms: 5 },
  ]);
});

test('JSON has spans rounded to a tenth of a millisecond, and only on request', () => {
  const recorder = new SpanRecorder(() => 1.26);
  assert.deepEqual(spansOf(recorder, { isTimed: true }), { spans: [{ stage: 'cli', ms: 1.3 }] });
  assert.deepEqual(spansOf(recorder, { isTimed: false }), {});
});
