/** What the user is told who leaves a VM that goes on. */
export function stillRunning({ name }: { name: string }): string {
  return `vm "${name}" is still running; a shell in it: banger vm ssh ${name}; to delete it: banger vm delete ${name}`;
}
