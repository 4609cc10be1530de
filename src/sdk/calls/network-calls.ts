import type { Abortable } from '../../base/abort.ts';
import {
  type LearnedRules,
  learnedRules,
  type NetworkLogQuery,
  type NetworkVerdict,
  networkVerdict,
} from '../../protocol/api/network.ts';
import { flag, vmPath, withQuery } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** The networks of VMs. */
export interface NetworkCalls {
  /** What would happen to a connection to `target`, one port of one host as in a rule: `example.com:443`. */
  checkNetwork(ref: string, target: string, options: Abortable): Promise<NetworkVerdict>;
  /**
   * Allows a running guest everything outside for `forMs`, and returns the rules for what it used. Its own
   * rules are in force again when the work ends, also when it is cancelled.
   */
  learnNetwork(ref: string, options: Abortable & { forMs: number }): Work<LearnedRules>;
  /** The log of decisions, one JSON value per line; with `isFollowed` it continues until an abort. */
  networkLog(
    ref: string,
    options: Abortable & { isFollowed?: boolean },
  ): AsyncGenerator<Buffer, void, undefined>;
}

/** {@link NetworkCalls} over one transport. */
export function networkCalls(caller: Caller): NetworkCalls {
  return {
    checkNetwork: async (ref, target, options) =>
      await caller.post(vmPath(ref, 'network/check'), networkVerdict, { ...options, body: { target } }),
    learnNetwork: (ref, { forMs, signal }) =>
      caller.work(vmPath(ref, 'network/learn'), learnedRules, { body: { forMs }, signal }),
    networkLog: (ref, { isFollowed, signal }) =>
      caller.bytes(withQuery<NetworkLogQuery>(vmPath(ref, 'network/log'), { follow: flag(isFollowed) }), {
        signal,
      }),
  };
}
