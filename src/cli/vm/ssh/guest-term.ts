import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { BangerClient } from '../../../sdk/client.ts';

/** Terminals that every guest with ncurses describes: the guest need not be asked. */
const DESCRIBED_EVERYWHERE: ReadonlySet<string> = new Set([
  ...['xterm', 'xterm-256color', 'screen', 'screen-256color', 'linux', 'vt100', 'vt220', 'dumb'],
]);

/** `ms` for the guest to answer; the user's own name is good enough after that. */
const ASK_DEADLINE_MS = 5_000;

const MAX_OUTPUT_BYTES = 4_096;

/**
 * Returns the value of TERM for a session over ssh: `term`, or the nearest one that the guest describes. The
 * agent chooses it, as for a command of `vm exec`; sshd would take any name. Returns `term` itself when the
 * guest does not answer.
 */
export async function guestTerm(
  ref: string,
  { client, term, signal }: Abortable & { client: BangerClient; term: string },
): Promise<string> {
  if (DESCRIBED_EVERYWHERE.has(term)) return term;
  try {
    return await withDeadline(
      async (inner) => {
        const start = { argv: ['printenv', 'TERM'], cwd: '/', pty: { rows: 24, cols: 80, term } };
        using session = await client.exec(ref, start, { signal: inner });
        const { stdout } = await session.collect({ maxBytes: MAX_OUTPUT_BYTES });
        return /^[\w.+-]+\s*$/.test(stdout.toString('latin1')) ? stdout.toString('latin1').trim() : term;
      },
      { signal, deadlineMs: ASK_DEADLINE_MS, what: 'the guest to say which terminals it knows' },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return term;
  }
}
