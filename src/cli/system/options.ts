/** Options of the commands that change the host. */
export const CHANGE_OPTIONS = {
  dryRun: { type: 'flag', summary: 'change nothing, and print each file and command' },
  json: { type: 'flag', summary: 'print what was done as JSON' },
} as const;
