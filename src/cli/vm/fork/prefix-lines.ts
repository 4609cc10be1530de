const LINE_FEED = 0x0a;
const LINE_END = Buffer.from([LINE_FEED]);

/** Longest line that is kept until its end comes, in `bytes`; what follows is a line of its own. */
const MAX_LINE_BYTES = 64 * 1024;

/** Output with a prefix on each line. */
export interface LinePrefixer {
  push(chunk: Buffer): Promise<void>;
  /** Passes on the last line if it has no line end. */
  end(): Promise<void>;
}

/**
 * Passes output on byte for byte in complete lines, each with `name | ` in front, so that lines of several
 * commands do not mix.
 */
export function prefixLines(name: string, put: (lines: Buffer) => Promise<void>): LinePrefixer {
  const prefix = Buffer.from(`${name} | `);
  let rest: Buffer[] = [];
  let restBytes = 0;
  const take = (): Buffer[] => {
    const taken = rest;
    rest = [];
    restBytes = 0;
    return taken;
  };
  return {
    async push(chunk) {
      const lines: Buffer[] = [];
      let from = 0;
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
        lines.push(prefix, ...take(), chunk.subarray(from, at + 1));
        from = at + 1;
      }
      if (from < chunk.length) {
        rest.push(Buffer.from(chunk.subarray(from)));
        restBytes += chunk.length - from;
      }
      if (restBytes > MAX_LINE_BYTES) lines.push(prefix, ...take(), LINE_END);
      if (lines.length > 0) await put(Buffer.concat(lines));
    },
    async end() {
      const last = take();
      if (last.length > 0) await put(Buffer.concat([prefix, ...last, LINE_END]));
    },
  };
}
