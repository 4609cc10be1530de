import { xmlText } from '../../scripts/docs/xml-text.ts';
import type { ChartRow } from './read-table.ts';

/** What a chart shows. */
export interface Chart {
  title: string;
  rows: readonly ChartRow[];
}

/** Sizes in pixels. */
const WIDTH = 900;
const MARGIN = 24;
const HEAD = 84;
const ROW = 46;
const FOOT = 34;
/** Where the scale begins and ends; the figures are to the right of it. */
const LEFT = MARGIN;
const RIGHT = WIDTH - 300;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 16px }
  .dim { fill: #59636e; font-size: 12px }
  .page { fill: #ffffff; stroke: #d1d9e0 }
  .grid { stroke: #d1d9e0 }
  .span { stroke: #818b98; stroke-width: 3 }
  .floor { fill: #ffffff; stroke: #59636e; stroke-width: 2 }
  .met { fill: #1a7f37 } .missed { fill: #bc4c00 }
  .goal { stroke: #0969da; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .dim { fill: #9198a1 } .page { fill: #0d1117; stroke: #3d444d } .grid { stroke: #3d444d }
    .floor { fill: #0d1117; stroke: #9198a1 } .met { fill: #3fb950 } .missed { fill: #f0883e } .goal { stroke: #58a6ff }
  }`;

/**
 * Draws figures as an SVG document: a line for each row, with its median, its floor and its goal on one
 * logarithmic scale, because one chart has figures of milliseconds and of seconds. Pure: the same rows have
 * the same bytes.
 */
export function chartSvg({ title, rows }: Chart): string {
  const height = HEAD + rows.length * ROW + FOOT;
  const values = rows.flatMap(({ median, floor, goal = median }) => [median, floor, goal]);
  const unit = rows[0]?.unit ?? '';
  const scale = scaleOf(values);
  const bottom = HEAD + rows.length * ROW;
  const grid = scale.ticks.flatMap((tick) => [
    `<line class="grid" x1="${scale.at(tick)}" y1="${HEAD - 6}" x2="${scale.at(tick)}" y2="${bottom}"/>`,
    `<text class="dim" text-anchor="middle" x="${scale.at(tick)}" y="${bottom + 18}">${amount(tick, unit)}</text>`,
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${xmlText(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    `<text class="title" x="${MARGIN}" y="32">${xmlText(title)}</text>`,
    ...legend(),
    ...grid,
    ...rows.flatMap((row, index) => drawnRow(row, HEAD + index * ROW, scale)),
    '</svg>',
    '',
  ].join('\n');
}

function legend(): string[] {
  const y = 56;
  return [
    `<circle class="met" cx="${MARGIN + 6}" cy="${y - 4}" r="6"/>`,
    `<circle class="missed" cx="${MARGIN + 24}" cy="${y - 4}" r="6"/>`,
    `<text class="dim" x="${MARGIN + 36}" y="${y}">banger (median): every goal met, a goal missed</text>`,
    `<circle class="floor" cx="${MARGIN + 356}" cy="${y - 4}" r="5"/>`,
    `<text class="dim" x="${MARGIN + 368}" y="${y}">floor: the same work without banger</text>`,
    `<line class="goal" x1="${MARGIN + 604}" y1="${y - 11}" x2="${MARGIN + 604}" y2="${y + 3}"/>`,
    `<text class="dim" x="${MARGIN + 614}" y="${y}">goal</text>`,
  ];
}

function drawnRow(
  { what, unit, median, floor, ratio, goal, isMet }: ChartRow,
  top: number,
  scale: Scale,
): string[] {
  const y = top + 30;
  const figures = `${amount(median, unit)}, floor ${amount(floor, unit)} (${xmlText(ratio)} times)`;
  return [
    `<text x="${MARGIN}" y="${top + 14}">${xmlText(what)}</text>`,
    `<line class="span" x1="${scale.at(floor)}" y1="${y}" x2="${scale.at(median)}" y2="${y}"/>`,
    ...(goal === undefined
      ? []
      : [`<line class="goal" x1="${scale.at(goal)}" y1="${y - 8}" x2="${scale.at(goal)}" y2="${y + 8}"/>`]),
    `<circle class="floor" cx="${scale.at(floor)}" cy="${y}" r="5"/>`,
    `<circle class="${isMet ? 'met' : 'missed'}" cx="${scale.at(median)}" cy="${y}" r="6"/>`,
    `<text class="dim" text-anchor="end" x="${WIDTH - MARGIN}" y="${y + 4}">${figures}${isMet ? '' : ': goal missed'}</text>`,
  ];
}

interface Scale {
  ticks: readonly number[];
  /** position in pixels */
  at(value: number): string;
}

/** A logarithmic scale over all values, with room at both ends. Every value must be above 0. */
function scaleOf(values: readonly number[]): Scale {
  const low = Math.log10(Math.min(...values) / 1.3);
  const high = Math.log10(Math.max(...values) * 1.3);
  const decades = Array.from({ length: Math.ceil(high) - Math.floor(low) }, (_, n) => Math.floor(low) + n);
  const steps = high - low > 2 ? [1] : [1, 2, 5];
  const ticks = decades
    .flatMap((decade) => steps.map((step) => step * 10 ** decade))
    .filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
  return {
    ticks,
    at: (value) => (LEFT + ((Math.log10(value) - low) / (high - low)) * (RIGHT - LEFT)).toFixed(1),
  };
}

function amount(value: number, unit: string): string {
  if (unit === 'ms' && value >= 1000) return `${(value / 1000).toFixed(value % 1000 === 0 ? 0 : 1)} s`;
  return `${value < 10 && !Number.isInteger(value) ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}
