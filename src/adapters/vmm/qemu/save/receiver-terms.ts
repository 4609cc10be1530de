/** What the program `banger-receive` and its caller agree on: its file descriptors and its exit statuses. */
export const RECEIVER = {
  fd: { stream: 0, memory: 3, state: 4 },
  status: { done: 0, failed: 1, full: 2 },
} as const;
