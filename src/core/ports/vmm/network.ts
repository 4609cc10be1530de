import type { Authority } from '../../../protocol/guest.ts';
import type { VmSecret } from '../../../protocol/vm.ts';

/**
 * What a guest's network interface is connected to:
 *
 * - `none`: nothing, so no packet leaves
 * - `user`: a process of the user that opens the guest's connections with sockets of this host
 *   (`core/rules/nat-network.ts`). `exposedPorts` are the ports of this host's loopback that the guest
 *   reaches at the gateway's address; it reaches no others
 */
export type NetworkSpec =
  | { mode: 'none' }
  | {
      mode: 'user';
      exposedPorts: readonly number[];
      policy?: NetworkPolicy;
      secrets?: NetworkSecrets;
    };

/** Secrets that a network puts into requests of its guest. Their values come from a `SecretValues`. */
export interface NetworkSecrets {
  /** names the authority that the guest trusts */
  authority: string;
  list: readonly VmSecret[];
}

/** A rule of a policy, and the preset that it came from, like `@npm`. */
export interface PolicyRule {
  rule: string;
  from?: string;
}

/**
 * What a guest may reach outside this host:
 *
 * - `open`, which is the default: everything
 * - `enforce`: what a rule allows
 * - `learn`: everything, and the network remembers it
 */
export interface NetworkPolicy {
  mode: 'open' | 'enforce' | 'learn';
  rules: readonly PolicyRule[];
  /** rules of the presets of this host, for what is learned */
  presets?: readonly PolicyRule[];
}

/** What would happen to a connection, and why. */
export interface NetworkCheck {
  allowed: boolean;
  /** the rule that allows it */
  rule?: string | undefined;
  reason?: string | undefined;
  /** the rule that would allow it */
  allow?: string | undefined;
  /** the decisions that lead there, one sentence each */
  steps: readonly string[];
}

/** Rules for what a guest used while its network learned. */
export interface LearnedNetwork {
  rules: readonly { rule: string; warnings?: readonly string[] | undefined; uses: number }[];
  /** connections that found no room, and are not in the rules */
  missed?: number | undefined;
}

/** The process that is a guest's network. */
export interface NetworkState {
  pid: number;
  /** a VMM is connected to it */
  isConnected: boolean;
  exposedPorts: readonly number[];
  /** what it has done since its start, by name; counts only */
  counters: Readonly<Record<string, number>>;
  /** the placeholders of the secrets whose values it has */
  knownSecrets?: readonly string[];
  /** what the guest must trust to use secrets */
  authority?: Authority | undefined;
  /** its policy; `allowed` and `refused` count queries and connections */
  policy?:
    | {
        mode: string;
        rules: readonly { rule: string; allowed: number }[];
        refused: number;
        unlogged?: number | undefined;
      }
    | undefined;
}
