/** Colours of one output stream; without effect where colour is off. */
export interface Style {
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

/** Select Graphic Rendition codes (ECMA-48 section 8.3.117). */
const CODES = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
} as const;

/**
 * Creates the style of a stream: coloured only on a terminal, and only when the user has not disabled
 * colours.
 */
export function createStyle({ isColored }: { isColored: boolean }): Style {
  const wrap = (name: keyof typeof CODES) => (text: string) =>
    isColored ? `\u001b[${CODES[name][0]}m${text}\u001b[${CODES[name][1]}m` : text;
  return {
    red: wrap('red'),
    green: wrap('green'),
    yellow: wrap('yellow'),
    cyan: wrap('cyan'),
    dim: wrap('dim'),
    bold: wrap('bold'),
  };
}
