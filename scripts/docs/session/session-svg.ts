import { xmlText } from '../xml-text.ts';
import type { Cast } from './cast.ts';
import { type LineSpan, lineSpans, type Run } from './frames.ts';

/** Sizes in pixels: of a character, and around the screen. */
const CHARACTER = 8.4;
const LINE = 19;
const PADDING = 16;
const BAR = 34;

/** `ms` for which the last screen stays before the recording begins again. */
const END_MS = 6000;

const PALETTE = [
  '#484f58',
  '#ff7b72',
  '#3fb950',
  '#d29922',
  '#58a6ff',
  '#bc8cff',
  '#39c5cf',
  '#b1bac4',
  '#6e7681',
  '#ffa198',
  '#56d364',
  '#e3b341',
  '#79c0ff',
  '#d2a8ff',
  '#56d4dd',
  '#ffffff',
] as const;

/**
 * Draws a recording as an SVG document that plays it in a loop, without scripts. Where animations are turned
 * off, it shows the last screen. The same recording gives the same bytes.
 */
export async function sessionSvg(cast: Cast, { title }: { title: string }): Promise<string> {
  const spans = await lineSpans(cast);
  const totalMs = (cast.outputs.at(-1)?.atMs ?? 0) + END_MS;
  const width = Math.ceil(cast.width * CHARACTER) + 2 * PADDING;
  const height = cast.height * LINE + PADDING + BAR;
  const percent = (ms: number): string => `${((100 * ms) / totalMs).toFixed(2)}%`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${xmlText(title)}">`,
    '<style>',
    'text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #e6edf3; white-space: pre }',
    `.l { animation: ${(totalMs / 1000).toFixed(2)}s step-end infinite } .o { visibility: hidden }`,
    '.b { font-weight: 700 } .d { opacity: 0.65 }',
    ...PALETTE.map((colour, index) => `.c${index} { fill: ${colour} }`),
    '@media (prefers-reduced-motion: reduce) { .l { animation: none } }',
    ...spans.map((span, index) => keyframes(span, index, percent)),
    '</style>',
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    ...['#ff5f57', '#febc2e', '#28c840'].map(
      (colour, index) => `<circle cx="${18 + index * 18}" cy="17" r="6" fill="${colour}"/>`,
    ),
    ...spans.map(drawnLine),
    '</svg>',
    '',
  ].join('\n');
}

/** When a line is visible. With `step-end`, each value holds until the next one. */
function keyframes({ fromMs, untilMs }: LineSpan, index: number, percent: (ms: number) => string): string {
  const until = untilMs === undefined ? '' : ` ${percent(untilMs)} { visibility: hidden }`;
  const from = fromMs === 0 ? '' : '0% { visibility: hidden } ';
  return `@keyframes k${index} { ${from}${percent(fromMs)} { visibility: visible }${until} }`;
}

function drawnLine({ row, untilMs, runs }: LineSpan, index: number): string {
  const y = BAR + row * LINE + 14;
  const classes = untilMs === undefined ? 'l' : 'l o';
  return `<text class="${classes}" style="animation-name:k${index}" y="${y}">${runs.map(drawnRun).join('')}</text>`;
}

function drawnRun({ column, width, text, colour, isBold, isDim }: Run): string {
  const classes = [
    ...(colour === undefined ? [] : [`c${colour}`]),
    ...(isBold ? ['b'] : []),
    ...(isDim ? ['d'] : []),
  ].join(' ');
  const x = (PADDING + column * CHARACTER).toFixed(1);
  const length = (width * CHARACTER).toFixed(1);
  const look = classes === '' ? '' : ` class="${classes}"`;
  return `<tspan${look} x="${x}" textLength="${length}" lengthAdjust="spacingAndGlyphs">${xmlText(text)}</tspan>`;
}
