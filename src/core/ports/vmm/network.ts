/**
 * What a guest's network interface is connected to:
 *
 * - `none`: nothing, so no packet leaves
 * - `user`: a process of the user that opens the guest's connections with sockets of this host
 *   (`core/rules/nat-network.ts`). `exposedPorts` are the ports of this host's loopback that the guest
 *   reaches at the gateway's address; it reaches no others
 */
export type NetworkSpec = { mode: 'none' } | { mode: 'user'; exposedPorts: readonly number[] };

/** The process that is a guest's network. */
export interface NetworkState {
  pid: number;
  /** a VMM is connected to it */
  isConnected: boolean;
  exposedPorts: readonly number[];
  /** what it has done since its start, by name; counts only */
  counters: Readonly<Record<string, number>>;
}
