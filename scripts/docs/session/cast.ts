/** A recording of a terminal, as in asciicast v2: a line of JSON for the head, and one for each output. */
export interface Cast {
  width: number;
  height: number;
  /** what was written to the terminal, oldest first */
  outputs: readonly Output[];
}

/** What was written at one moment. */
export interface Output {
  /** since the beginning of the recording */
  atMs: number;
  text: string;
}

/** The recording as a file. */
export function castText({ width, height, outputs }: Cast): string {
  const lines = outputs.map(({ atMs, text }) => JSON.stringify([Math.round(atMs) / 1000, 'o', text]));
  return [JSON.stringify({ version: 2, width, height }), ...lines, ''].join('\n');
}

/**
 * Reads a recording.
 *
 * @throws {Error} for another version, a terminal without a size, and lines that are no output.
 */
export function readCast(text: string): Cast {
  const [head = '', ...lines] = text.trimEnd().split('\n');
  const { version, width, height }: { version?: unknown; width?: unknown; height?: unknown } =
    JSON.parse(head);
  if (version !== 2 || typeof width !== 'number' || typeof height !== 'number') {
    throw new Error('Cannot read the recording: it is no asciicast of version 2 with a size');
  }
  return { width, height, outputs: lines.map(outputOf) };
}

function outputOf(line: string): Output {
  const [seconds, kind, text]: unknown[] = JSON.parse(line);
  if (typeof seconds !== 'number' || kind !== 'o' || typeof text !== 'string') {
    throw new Error(`Cannot read the recording: ${line} is no output`);
  }
  return { atMs: Math.round(seconds * 1000), text };
}
