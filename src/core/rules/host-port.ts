/** How far up a port moves that the daemon may not listen on. */
const MOVED_BY = 8_000;

/** The port of the host for a guest's port; `firstPort` is the lowest one that the daemon may listen on. */
export function hostPortOf(guestPort: number, firstPort: number): number {
  return guestPort < firstPort ? guestPort + MOVED_BY : guestPort;
}

/**
 * The guest's port behind each port of the host. When two meet at one, the guest's port of that number wins.
 */
export function hostPorts(guestPorts: Iterable<number>, firstPort: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const guestPort of guestPorts) {
    const hostPort = hostPortOf(guestPort, firstPort);
    if (guestPort === hostPort || !found.has(hostPort)) found.set(hostPort, guestPort);
  }
  return found;
}
