/** The snapshot that a command is about. */
export const TAG_ARGUMENT = {
  name: 'tag',
  summary: "the snapshot's tag",
  isRequired: true,
  kind: 'tag',
} as const;

/** `-v` of a command that takes a while. */
export const VERBOSE = { type: 'flag', short: 'v', summary: 'show each step on a line of its own' } as const;
