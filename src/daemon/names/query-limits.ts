/** Longest query that the DNS server reads, in `bytes`: a name has at most 255, EDNS options a few dozen. */
export const MAX_QUERY_BYTES = 1_024;
