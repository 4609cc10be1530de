import type { Answer, DecodedPacket, Packet, Question } from 'dns-packet';
import { AUTHORITATIVE_ANSWER, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet';
import { VM_ZONE } from '../../protocol/vm-domain.ts';
import { MAX_QUERY_BYTES } from './query-limits.ts';

/** What the server knows of the zone `vm`. */
export interface Zone {
  /** IPv4 address of a name directly below the zone, in lower case; `undefined` when there is no such name */
  addressOf(label: string): string | undefined;
}

/** Size of UDP messages that we report to clients, in `bytes` (dnsflagday.net/2020). */
const UDP_BYTES = 1_232;

/** Response codes of RFC 1035 section 4.1.1 and RFC 6891 section 9. */
const RCODE = {
  ok: 0,
  formatError: 1,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

/**
 * Names can be renamed and deleted at any time, so nobody may keep an answer. The last number is how long
 * resolvers may remember that a name does not exist.
 */
const TTL_SECONDS = 0;
const SOA: Answer = {
  type: 'SOA',
  name: VM_ZONE,
  ttl: TTL_SECONDS,
  data: {
    mname: VM_ZONE,
    rname: 'nobody.invalid',
    serial: 1,
    refresh: 60,
    retry: 60,
    expire: 60,
    minimum: 0,
  },
};

/** The bits of the header's flags that say what is asked for; 0 is a query. */
const OPCODE_BITS = 0x7800;
const RECURSION_DESIRED_BIT = 0x100;

/** A fixed part of every DNS message: id, flags, and four counts. */
const HEADER_BYTES = 12;

/**
 * Returns the answer to one DNS query, or `undefined` for what deserves none: an answer, or bytes that are
 * not a query. Authoritative for the zone `vm` and nothing else; every answer is at most about 100 `bytes`
 * longer than its query, so the server is of no use for amplification.
 */
export function answerQuery(query: Buffer, zone: Zone): Buffer | undefined {
  const packet = decodeQuery(query);
  if (!packet) return undefined;
  const { flags = 0, questions, additionals } = packet;
  if ((flags & OPCODE_BITS) !== 0) return header(packet, RCODE.notImplemented);
  const [question] = questions ?? [];
  const edns = (additionals ?? []).filter(({ type }) => type === 'OPT');
  if (!question || questions?.length !== 1 || edns.length > 1 || !isExact(question, query)) {
    return header(packet, RCODE.formatError);
  }
  const version = ednsVersion(edns[0]);
  const result =
    version === undefined || version === 0 ? answer(question, zone) : { rcode: RCODE.badVersion };
  return encodeAnswer(packet, question, { ...result, hasEdns: version !== undefined });
}

interface Result {
  rcode: number;
  isOurs?: boolean;
  answers?: Answer[];
  authorities?: Answer[];
}

function answer({ name, type, class: asked }: Question, zone: Zone): Result {
  const labels = name.toLowerCase().split('.');
  if (asked !== 'IN' || labels.at(-1) !== VM_ZONE) return { rcode: RCODE.refused };
  const ours = { isOurs: true, authorities: [SOA] };
  if (labels.length === 1) {
    return type === 'SOA'
      ? { rcode: RCODE.ok, isOurs: true, answers: [{ ...SOA, name }] }
      : { rcode: RCODE.ok, ...ours };
  }
  const address = labels.length === 2 ? zone.addressOf(labels[0] ?? '') : undefined;
  if (address === undefined) return { rcode: RCODE.noSuchName, ...ours };
  if (type !== 'A' && (type as string) !== 'ANY') return { rcode: RCODE.ok, ...ours };
  return {
    rcode: RCODE.ok,
    isOurs: true,
    answers: [{ type: 'A', name, ttl: TTL_SECONDS, data: address }],
  };
}

/** The name in the answer has the case of the question, which some resolvers choose at random and compare. */
function encodeAnswer(
  query: DecodedPacket,
  question: Question,
  { rcode, isOurs = false, answers = [], authorities = [], hasEdns }: Result & { hasEdns: boolean },
): Buffer {
  const packet: Packet = {
    type: 'response',
    id: query.id ?? 0,
    flags: flagsOf(query, { rcode: rcode & 0xf, isOurs }),
    questions: [question],
    answers,
    authorities,
    additionals: hasEdns ? [optRecord(rcode >> 4)] : [],
  };
  return encode(packet);
}

function optRecord(extendedRcode: number): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_BYTES,
    extendedRcode,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}

/** An answer without a question, for a query whose question cannot be repeated. */
function header(query: DecodedPacket, rcode: number): Buffer {
  return encode({ type: 'response', id: query.id ?? 0, flags: flagsOf(query, { rcode, isOurs: false }) });
}

/** Opcode and "recursion desired" as in the query; never "recursion available". */
function flagsOf(
  { flags = 0 }: DecodedPacket,
  { rcode, isOurs }: { rcode: number; isOurs: boolean },
): number {
  const kept = flags & (OPCODE_BITS | RECURSION_DESIRED_BIT);
  return kept | (isOurs ? AUTHORITATIVE_ANSWER : 0) | rcode;
}

function decodeQuery(bytes: Buffer): DecodedPacket | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_QUERY_BYTES) return undefined;
  let packet: DecodedPacket;
  try {
    packet = decode(bytes);
  } catch (error) {
    // The decoder reports malformed bytes with plain errors and range errors.
    if (error instanceof Error) return undefined;
    throw error;
  }
  const isQuery = packet.type === 'query' && ((packet.flags ?? 0) & TRUNCATED_RESPONSE) === 0;
  return isQuery ? packet : undefined;
}

/**
 * False for a question that would change when it is repeated: with compressed or non-ASCII names, and names
 * with a dot inside a label, of which "web.vm" as one label must not become two.
 */
function isExact(question: Question, query: Buffer): boolean {
  const again = encode({ type: 'query', id: 0, flags: 0, questions: [question] }).subarray(HEADER_BYTES);
  return query.subarray(HEADER_BYTES, HEADER_BYTES + again.length).equals(again);
}

function ednsVersion(edns: Answer | undefined): number | undefined {
  return edns?.type === 'OPT' ? edns.ednsVersion : undefined;
}
