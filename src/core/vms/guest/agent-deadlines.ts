/**
 * How long the daemon waits for the agent of a running guest, in `ms`. An emulated guest on a busy host needs
 * seconds to answer; how many it gets depends on what waits for the answer.
 */
export const AGENT_DEADLINES_MS = {
  /** a link for what the user streams: a command, files, a port, a workspace */
  stream: 15_000,
  /** a short answer that the request needs; longer than a link waits for an agent that is silent */
  answer: 30_000,
  /** a short answer that the request can do without */
  optional: 5_000,
  /** one attempt of several */
  attempt: 2_000,
} as const;
