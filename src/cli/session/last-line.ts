/** Enough for the sequences that a program ends its output with. */
const KEPT_BYTES = 256;

/**
 * Follows whether output on a terminal ends inside a line, as that of `printf ok` does: what is written next
 * would join it, or erase it.
 */
export class LastLine {
  #tail = '';

  /** Looks at output on its way to the terminal. */
  see(bytes: Uint8Array): void {
    const text = Buffer.from(bytes.subarray(-KEPT_BYTES)).toString('latin1');
    this.#tail = (this.#tail + text).slice(-KEPT_BYTES);
  }

  /** True when the cursor stands behind text. */
  get isOpen(): boolean {
    // A full-screen program that ends brings back the screen and the cursor of before (xterm's "Alternate
    // Screen Buffer").
    if (this.#tail.includes('\u001b[?1049l')) return false;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences have no width
    const visible = this.#tail.replaceAll(/\x1b\[[0-?]*[ -/]*[@-~]/g, '');
    return visible !== '' && !/[\r\n]$/.test(visible);
  }
}
