/** What decides whether a command in the guest gets a terminal. */
export interface TerminalFacts {
  isStdinTerminal: boolean;
  isStdoutTerminal: boolean;
  isStderrTerminal: boolean;
  /** a login shell, not a command of the user's */
  isShell: boolean;
  /** what the user asked for, if anything */
  isForced?: boolean | undefined;
}

/**
 * Whether the guest's command gets a terminal of its own. A shell does when its user sits at both ends. A
 * command needs all three streams to be terminals: in a pipe line breaks and colours would reach the next
 * program, and a terminal has no stderr that could go to a file of its own. As ssh(1), asking for one
 * explicitly wins.
 */
export function wantsTerminal(facts: TerminalFacts): boolean {
  if (facts.isForced !== undefined) return facts.isForced;
  if (!facts.isStdinTerminal || !facts.isStdoutTerminal) return false;
  return facts.isShell || facts.isStderrTerminal;
}
