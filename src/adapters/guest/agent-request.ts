/** A request to an agent. */
export interface AgentRequest {
  /** for errors: "unpack files in the guest" */
  action: string;
  method: 'GET' | 'POST' | 'PUT';
  path: string;
  hasBody?: boolean;
  endsWithTrailers?: boolean;
  /** may stay open for as long as its user likes */
  isBulk?: boolean;
  /** a connection to a port of the guest */
  isConnection?: boolean;
  /** nothing may arrive for hours, so silence does not mean that the link is lost */
  isQuiet?: boolean;
  /** part of a guest's start, when the agent may be slow to answer */
  isStart?: boolean;
  /** the generation that introduced it; default: the first */
  since?: number;
}
