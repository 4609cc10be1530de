/** The facts that decide whether a command in the guest gets a terminal. */
export interface TerminalFacts {
  isStdinTerminal: boolean;
  isStdoutTerminal: boolean;
  isStderrTerminal: boolean;
  /** a login shell instead of a command of the user */
  isShell: boolean;
  /** what the user asked for explicitly, if anything */
  isForced?: boolean | undefined;
}

/**
 * Returns whether the guest's command gets a terminal of its own. A shell does when stdin and stdout are
 * terminals. A command needs all three streams to be terminals: in a pipe, line breaks and colours would
 * reach the next program, and a terminal has no separate stderr. As in ssh(1), an explicit request wins.
 */
export function wantsTerminal(facts: TerminalFacts): boolean {
  if (facts.isForced !== undefined) return facts.isForced;
  if (!facts.isStdinTerminal || !facts.isStdoutTerminal) return false;
  return facts.isShell || facts.isStderrTerminal;
}
