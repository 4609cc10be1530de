import { closedObject, integer, list, object, optional, text, truth } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { flag } from './common.ts';

/** Body of `POST /v1/vms/REF/network/check`. */
export const checkNetworkRequest = closedObject({
  target: text('one port of one host, as in a rule: `example.com:443`, `udp/10.0.0.1:53`'),
});

/** Answer of `POST /v1/vms/REF/network/check`. */
export const networkVerdict = object({
  allowed: truth(),
  rule: optional(text('that allows it')),
  reason: optional(text('why it is refused')),
  allow: optional(text('the rule that would allow it')),
  steps: list(text(), 'the decisions that lead there, for people'),
});
export type NetworkVerdict = ValueOf<typeof networkVerdict>;

/** Query of `GET /v1/vms/REF/network/log`. */
export const networkLogQuery = closedObject({ follow: optional(flag('continue with new lines')) });
export type NetworkLogQuery = ValueOf<typeof networkLogQuery>;

/** Longest time in which a network learns, in `ms`: a day. */
export const MAX_LEARN_MS = 24 * 60 * 60_000;

/** Body of `POST /v1/vms/REF/network/learn`. */
export const learnNetworkRequest = closedObject({
  forMs: integer('ms', { minimum: 1, maximum: MAX_LEARN_MS }),
});

/** Result of `POST /v1/vms/REF/network/learn`. */
export const learnedRules = object({
  rules: list(
    object({
      rule: text(),
      warnings: list(text(), 'what is risky about it'),
      uses: integer('connections that it would have allowed'),
    }),
    'names before addresses',
  ),
  missed: integer('connections that are not in the rules because there were too many'),
});
export type LearnedRules = ValueOf<typeof learnedRules>;

/** A line of `GET /v1/vms/REF/network/log`. */
export const networkLogEntry = object({
  time: text(),
  kind: text('`dns`, `tcp`, `udp` or `icmp`'),
  name: optional(text()),
  address: optional(text()),
  port: optional(integer()),
  verdict: text('`allowed` or `refused`'),
  rule: optional(text('that allowed it')),
  reason: optional(text('why it was refused')),
  allow: optional(text('the rule that would allow it')),
  count: optional(integer('of decisions like this one since an earlier line')),
  summary: optional(truth('the line is about decisions that were too many to be listed')),
});
export type NetworkLogEntry = ValueOf<typeof networkLogEntry>;
