/**
 * DEC private modes that a full-screen program turns on, and that make a terminal unusable after the program
 * is gone: application cursor keys, mouse reports, focus reports, the alternate screen, bracketed paste
 * (xterm's control sequences, "DEC Private Mode Set").
 */
const TURNED_ON = new Set([1, 9, 47, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1049, 2004]);

/** The cursor is visible by default, so here "off" is the change to undo. */
const CURSOR = 25;

const ESCAPE = 0x1b;

/** Longest sequence that is recognised across chunks, in `bytes`; programs set only a few modes at once. */
const MAX_PENDING_BYTES = 64;

/**
 * Tracks which modes a guest's program has changed, so that they can be undone when it cannot do so itself.
 */
export class TerminalModes {
  readonly #on = new Set<number>();
  #isCursorHidden = false;
  #pending = '';

  /** Inspects output on its way to the terminal. */
  see(bytes: Uint8Array): void {
    if (this.#pending === '' && bytes.indexOf(ESCAPE) < 0) return;
    const text = this.#pending + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences that are looked for
    for (const [, modes = '', action] of text.matchAll(/\x1b\[\?([0-9;]{1,48})([hl])/g)) {
      for (const mode of modes.split(';')) this.#set(Number(mode), action === 'h');
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a sequence that the chunk's end cuts
    const cut = /\x1b(?:\[(?:\?[0-9;]*)?)?$/.exec(text.slice(-MAX_PENDING_BYTES));
    this.#pending = cut?.[0] ?? '';
  }

  /**
   * Returns the sequence that restores the terminal; empty when nothing was changed. Forgets the changes that
   * it undoes.
   */
  undo(): string {
    const off = [...this.#on].map((mode) => `\u001b[?${mode}l`);
    if (this.#isCursorHidden) off.push(`\u001b[?${CURSOR}h`);
    this.#on.clear();
    this.#isCursorHidden = false;
    // Resets colours too (SGR 0), but only after a program that changed modes.
    return off.length > 0 ? `${off.join('')}\u001b[0m` : '';
  }

  #set(mode: number, isOn: boolean): void {
    if (mode === CURSOR) this.#isCursorHidden = !isOn;
    else if (!TURNED_ON.has(mode)) return;
    else if (isOn) this.#on.add(mode);
    else this.#on.delete(mode);
  }
}
