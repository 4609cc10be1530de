/** Long enough for the sequences that a program ends its output with. */
const KEPT_BYTES = 256;

/**
 * Tracks whether output on a terminal ends inside a line, like that of `printf ok`: what is written next
 * would be appended to that line, or erase it.
 */
export class LastLine {
  #tail = '';

  /** Inspects output on its way to the terminal. */
  see(bytes: Uint8Array): void {
    const text = Buffer.from(bytes.subarray(-KEPT_BYTES)).toString('latin1');
    this.#tail = (this.#tail + text).slice(-KEPT_BYTES);
  }

  /** True when the cursor is after text on a line. */
  get isOpen(): boolean {
    // When a full-screen program exits, it restores the earlier screen and cursor (xterm's "Alternate Screen
    // Buffer").
    if (this.#tail.includes('\u001b[?1049l')) return false;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences have no width
    const visible = this.#tail.replaceAll(/\x1b\[[0-?]*[ -/]*[@-~]/g, '');
    return visible !== '' && !/[\r\n]$/.test(visible);
  }
}
