import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TrafficWatch } from './traffic-watch.ts';

describe('TrafficWatch', () => {
  const network = (bytes: number) => ({ receivedBytes: bytes, sentBytes: 0 });

  test('the time counts from the last traffic above the noise', () => {
    let now = 0;
    const watch = new TrafficWatch(() => now);
    assert.equal(watch.quietMs('a', network(5_000)), 0);
    now = 100;
    assert.equal(watch.quietMs('a', network(5_100)), 100, 'noise');
    now = 200;
    assert.equal(watch.quietMs('a', network(9_000)), 0);
    now = 250;
    assert.equal(watch.quietMs('a', network(9_000)), 50);
    now = 300;
    assert.equal(watch.quietMs('a', network(10)), 0, 'it was started again');
    now = 400;
    assert.equal(watch.quietMs('a', network(10)), 100);
  });

  test('a guest without statistics counts as busy, and VMs that are gone are forgotten', () => {
    let now = 0;
    const watch = new TrafficWatch(() => now);
    assert.equal(watch.quietMs('a', undefined), 0);
    watch.quietMs('a', network(1));
    now = 70;
    watch.retainOnly(['a']);
    assert.equal(watch.quietMs('a', network(1)), 70);
    watch.retainOnly([]);
    assert.equal(watch.quietMs('a', network(1)), 0);
  });
});
