const LINE_FEED = 0x0a;

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
  return {
    async push(chunk) {
      const lines: Buffer[] = [];
      let from = 0;
      for (let at = chunk.indexOf(LINE_FEED); at >= 0; at = chunk.indexOf(LINE_FEED, from)) {
        lines.push(prefix, ...rest, chunk.subarray(from, at + 1));
        rest = [];
        from = at + 1;
      }
      if (from < chunk.length) rest.push(Buffer.from(chunk.subarray(from)));
      if (lines.length > 0) await put(Buffer.concat(lines));
    },
    async end() {
      const last = rest;
      rest = [];
      if (last.length > 0) await put(Buffer.concat([prefix, ...last, Buffer.from('\n')]));
    },
  };
}
