/** A line of the table of figures, as a chart shows it. */
export interface ChartRow {
  what: string;
  unit: string;
  median: number;
  floor: number;
  /** the median divided by the floor, as the table has it */
  ratio: string;
  /** most that the median may be by the strictest goal; absent when the row has no goal */
  goal?: number | undefined;
  isMet: boolean;
}

/** What the lines of the table have, in order; the head of the table is the same. */
const COLUMNS = 7;

/**
 * Reads the rows of the first table in a Markdown text that `markdownTable` wrote. Rows without figures are
 * left out. The figures are rounded as they are in the text.
 *
 * @throws {Error} for a text without such a table, and for figures that are not of that form.
 */
export function readTable(markdown: string): ChartRow[] {
  const lines = markdown.split('\n').map(cellsOf);
  const first = lines.findIndex((cells) => cells.length === COLUMNS && cells[0] === 'what');
  if (first < 0) throw new Error('Cannot read the figures: the text has no table of them');
  const rest = lines.slice(first + 2);
  const end = rest.findIndex((cells) => cells.length !== COLUMNS);
  return rest.slice(0, end < 0 ? undefined : end).flatMap((cells) => rowOf(cells) ?? []);
}

function rowOf([what = '', , median = '', floor = '', ratio = '', goals = '']: readonly string[]):
  | ChartRow
  | undefined {
  if (median === '') return undefined;
  const [value, unit] = amountOf(median);
  const [floorValue] = amountOf(floor);
  const limits = goals
    .split('; ')
    .filter((goal) => goal !== '')
    .map((goal) => limitOf(goal, floorValue));
  return {
    what: what.replaceAll('`', ''),
    unit,
    median: value,
    floor: floorValue,
    ratio,
    goal: limits.length > 0 ? Math.min(...limits) : undefined,
    isMet: !goals.includes('missed'),
  };
}

/** Most that the median may be by a goal: `≤ 450 ms: met`, `ratio ≤ 1.5: met`, `floor + 1.0 ms: met`. */
function limitOf(goal: string, floor: number): number {
  const [, kind = '', value = ''] =
    /^(|ratio |floor )[≤+] ([\d.]+)( [A-Za-z]+)?: /.exec(goal) ?? unreadable(goal);
  if (kind === 'ratio ') return Number(value) * floor;
  return kind === 'floor ' ? floor + Number(value) : Number(value);
}

function amountOf(text: string): [value: number, unit: string] {
  const [, value = '', unit = ''] = /^([\d.]+) ([A-Za-z]+)$/.exec(text) ?? unreadable(text);
  return [Number(value), unit];
}

function unreadable(text: string): never {
  throw new Error(`Cannot read the figures: "${text}" is not of the form that the table has`);
}

/** The cells of a line of a table; none for any other line. */
function cellsOf(line: string): string[] {
  if (!line.startsWith('|')) return [];
  const cells = line.split(/(?<!\\)\|/).slice(1, -1);
  return cells.map((cell) => cell.trim().replaceAll('\\|', '|'));
}
