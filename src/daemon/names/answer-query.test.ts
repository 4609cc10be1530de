import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { fuzzRuns } from '../../../test/support/fuzz-runs.ts';
import { answerQuery, type Zone } from './answer-query.ts';
import { MAX_QUERY_BYTES } from './query-limits.ts';

const ZONE: Zone = { addressOf: (label) => (label === 'web' ? '127.77.0.1' : undefined) };

/** Cases of a property; a night run has more. */
const NUM_RUNS = fuzzRuns(3_000);

function query(name: string, type: string, more: Partial<Packet> = {}): Buffer {
  const questions = [{ name, type: type as 'A', class: 'IN' as const }];
  return encode({ type: 'query', id: 4711, flags: 0x100, questions, ...more });
}

function ask(name: string, type = 'A', more: Partial<Packet> = {}): DecodedPacket {
  const answer = answerQuery(query(name, type, more), ZONE);
  assert.ok(answer, 'no answer');
  return decode(answer);
}

function rcodeOf(packet: DecodedPacket): string {
  return (packet as unknown as { rcode: string }).rcode;
}

test('a VM has its address, with the id and the letters of the question', () => {
  const answer = ask('wEb.Vm');
  assert.equal(answer.id, 4711);
  assert.equal(answer.flag_aa, true);
  assert.equal(answer.flag_ra, false);
  assert.equal(rcodeOf(answer), 'NOERROR');
  assert.equal(answer.questions?.[0]?.name, 'wEb.Vm');
  const [record] = answer.answers ?? [];
  assert.deepEqual(
    [record?.name, record?.type, (record as { data?: unknown }).data, (record as { ttl?: number }).ttl],
    ['wEb.Vm', 'A', '127.77.0.1', 0],
  );
});

for (const [name, type, rcode, answers, authorities] of [
  ['web.vm', 'AAAA', 'NOERROR', 0, 1],
  ['web.vm', 'MX', 'NOERROR', 0, 1],
  ['web.vm', 'ANY', 'NOERROR', 1, 0],
  ['other.vm', 'A', 'NXDOMAIN', 0, 1],
  ['other.vm', 'AAAA', 'NXDOMAIN', 0, 1],
  ['a.web.vm', 'A', 'NXDOMAIN', 0, 1],
  ['vm', 'A', 'NOERROR', 0, 1],
  ['vm', 'SOA', 'NOERROR', 1, 0],
  ['example.com', 'A', 'REFUSED', 0, 0],
  ['webvm', 'A', 'REFUSED', 0, 0],
  ['web.vm.example', 'A', 'REFUSED', 0, 0],
  ['.', 'NS', 'REFUSED', 0, 0],
] as const) {
  test(`${name} ${type} is answered with ${rcode}`, () => {
    const answer = ask(name, type);
    assert.equal(rcodeOf(answer), rcode);
    assert.equal(answer.answers?.length, answers);
    assert.deepEqual(
      answer.authorities?.map((each) => each.type),
      authorities === 1 ? ['SOA'] : [],
    );
    assert.equal(answer.flag_aa, rcode !== 'REFUSED');
  });
}

test('a class other than IN is refused', () => {
  const questions = [{ name: 'web.vm', type: 'A' as const, class: 'CH' as const }];
  assert.equal(rcodeOf(ask('', 'A', { questions })), 'REFUSED');
});

test('EDNS is answered with EDNS, and an unknown version of it with BADVERS', () => {
  const opt = (ednsVersion: number): Answer => ({
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4_096,
    extendedRcode: 0,
    ednsVersion,
    flags: 0,
    flag_do: false,
    options: [],
  });
  const answer = ask('web.vm', 'A', { additionals: [opt(0)] });
  const [edns] = answer.additionals ?? [];
  assert.ok(edns?.type === 'OPT');
  assert.deepEqual([edns.udpPayloadSize, edns.extendedRcode, edns.ednsVersion], [1_232, 0, 0]);
  assert.equal(answer.answers?.length, 1);
  assert.equal(ask('web.vm').additionals?.length, 0);
  const bad = ask('web.vm', 'A', { additionals: [opt(1)] });
  assert.equal(bad.answers?.length, 0);
  assert.equal(bad.additionals?.[0]?.type === 'OPT' && bad.additionals[0].extendedRcode, 1);
  assert.equal(rcodeOf(ask('web.vm', 'A', { additionals: [opt(0), opt(0)] })), 'FORMERR');
});

test('answers, other operations and questions that cannot be repeated are not answered as a query', () => {
  assert.equal(answerQuery(query('web.vm', 'A', { type: 'response' }), ZONE), undefined);
  assert.equal(answerQuery(Buffer.alloc(11), ZONE), undefined);
  assert.equal(answerQuery(Buffer.alloc(MAX_QUERY_BYTES + 1), ZONE), undefined);
  assert.equal(rcodeOf(ask('web.vm', 'A', { flags: 4 << 11 })), 'NOTIMP');
  assert.equal(rcodeOf(ask('web.vm', 'A', { questions: [] })), 'FORMERR');
  const two = [0, 1].map(() => ({ name: 'web.vm', type: 'A' as const, class: 'IN' as const }));
  assert.equal(rcodeOf(ask('web.vm', 'A', { questions: two })), 'FORMERR');
});

test('"web.vm" as one label is not the name of a VM', () => {
  const head = query('web.vm', 'A').subarray(0, 12);
  const bytes = Buffer.concat([head, Buffer.from([6]), Buffer.from('web.vm'), Buffer.from([0, 0, 1, 0, 1])]);
  const answer = answerQuery(bytes, ZONE);
  assert.equal(answer && rcodeOf(decode(answer)), 'FORMERR');
});

test('an answer is never more than 120 bytes longer than its query, and never an error', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,63}$/);
  const name = fc.oneof(
    fc.constantFrom('web.vm', 'WEB.VM', 'vm', '.', 'x.vm'),
    fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.')),
    fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => `${labels.join('.')}.vm`),
  );
  const type = fc.constantFrom('A', 'AAAA', 'SOA', 'NS', 'TXT', 'ANY', 'AXFR');
  fc.assert(
    fc.property(name, type, fc.nat(0xffff), (asked, kind, id) => {
      const bytes = query(asked, kind, { id });
      const answer = answerQuery(bytes, ZONE);
      assert.ok(answer);
      assert.ok(answer.length <= bytes.length + 120, `${answer.length} of ${bytes.length}`);
      assert.ok(answer.length <= 512);
      const decoded = decode(answer);
      assert.deepEqual([decoded.id, decoded.type, decoded.questions?.[0]?.name], [id, 'response', asked]);
      assert.ok(['NOERROR', 'NXDOMAIN', 'REFUSED'].includes(rcodeOf(decoded)));
    }),
    { numRuns: NUM_RUNS },
  );
});

test('bytes that nobody should send are dropped, or answered with a short error', () => {
  const valid = query('web.vm', 'A', {
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 512,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  const change = fc.record({ at: fc.nat(valid.length - 1), to: fc.nat(255) });
  const damaged = fc
    .tuple(fc.array(change, { maxLength: 8 }), fc.nat(valid.length))
    .map(([changes, length]) => {
      const bytes = Buffer.from(valid);
      for (const { at, to } of changes) bytes[at] = to;
      return bytes.subarray(0, length);
    });
  const any = fc.oneof(
    damaged,
    fc.uint8Array({ maxLength: 1_100 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(any, (bytes) => {
      const answer = answerQuery(bytes, ZONE);
      if (!answer) return;
      assert.ok(answer.length <= bytes.length + 120);
      assert.equal(answer.readUInt16BE(0), bytes.readUInt16BE(0));
      assert.ok((answer[2] ?? 0) & 0x80, 'an answer');
      decode(answer);
    }),
    { numRuns: NUM_RUNS },
  );
});
