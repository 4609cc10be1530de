/** The notice printed when a session ends and its VM keeps running. */
export function stillRunning({ name }: { name: string }): string {
  return `vm "${name}" is still running; a shell in it: banger vm ssh ${name}; to delete it: banger vm delete ${name}`;
}
