/** A port of this host for the guest. */
export const EXPOSE_HOST_OPTION = {
  type: 'list',
  value: 'port',
  summary:
    "a port of this host's 127.0.0.1 that the guest reaches as its own, and nothing else of this host; may be given several times",
} as const;
