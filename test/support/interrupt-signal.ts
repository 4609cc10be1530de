/**
 * A signal that aborts when the program is interrupted (SIGINT, SIGTERM), so that a program that has VMs can
 * remove them before it ends. A second one ends the program at once.
 */
export function interruptSignal(): AbortSignal {
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => interrupt.abort(new Error(`interrupted by ${name}`)));
  }
  return interrupt.signal;
}
