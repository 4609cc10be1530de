import { AppError, printable } from '../../../base/errors.ts';
import type { GuestArch } from '../../ports/images/guest-arch.ts';
import { expandVariables } from './expand-variables.ts';
import { type Instruction, readInstructions } from './instructions.ts';

/** What decides which images a Dockerfile needs. */
export interface BuildChoice {
  /** values of its ARGs */
  buildArgs: Readonly<Record<string, string>>;
  /** name or number of the last stage to build; absent: the last one */
  target?: string;
  /** of the guest that builds */
  arch: GuestArch;
}

interface Stage {
  name: string;
  /** images that it begins with or copies from, stages among them */
  from: string[];
}

/**
 * The images from elsewhere that the stages of a Dockerfile need, as they are written there, without
 * `scratch`; each once, in their order. Stages after the target need none.
 *
 * @throws {AppError} IMAGE_DOCKERFILE_INVALID when there is no stage, no such target, or a FROM without an
 * image.
 */
export function baseImages(dockerfile: string, choice: BuildChoice): string[] {
  const { instructions, escapeWith } = readInstructions(dockerfile);
  const values = new Map<string, string>(platformValues(choice.arch));
  const stages: Stage[] = [];
  for (const instruction of instructions) {
    const { name, text } = instruction;
    if (name === 'ARG' && stages.length === 0) {
      for (const word of wordsOf(text)) setArg(word, { values, escapeWith, given: choice.buildArgs });
    }
    if (name === 'FROM') stages.push(stageOf(instruction, { values, escapeWith }));
    const flags = name === 'COPY' || name === 'ADD' ? fromFlags(text) : name === 'RUN' ? mountsOf(text) : [];
    stages.at(-1)?.from.push(...flags);
  }
  if (stages.length === 0) throw invalid('it has no FROM');
  const wanted = stages.slice(0, lastStage(stages, choice.target) + 1);
  const found = wanted.flatMap(({ from }, at) =>
    from.filter((image) => !isStage(image, stages.slice(0, at))),
  );
  return [...new Set(found)].filter((image) => image.toLowerCase() !== 'scratch');
}

function stageOf(
  { text, line }: Instruction,
  expanding: { values: ReadonlyMap<string, string>; escapeWith: string },
): Stage {
  const words = wordsOf(text).filter((word) => !word.startsWith('--'));
  const [given = '', as = '', name = ''] = words;
  const image = expandVariables(given, expanding);
  if (image === '') {
    throw invalid(`line ${line}: FROM names no image${given === '' ? '' : `: "${given}" is empty`}`);
  }
  return { name: as.toUpperCase() === 'AS' ? name.toLowerCase() : '', from: [image] };
}

function setArg(
  word: string,
  {
    values,
    escapeWith,
    given,
  }: { values: Map<string, string>; escapeWith: string; given: Readonly<Record<string, string>> },
): void {
  const [name = '', ...rest] = expandVariables(word, { values, escapeWith }).split('=');
  const chosen = Object.hasOwn(given, name) ? given[name] : undefined;
  if (chosen !== undefined) values.set(name, chosen);
  else if (rest.length > 0) values.set(name, rest.join('='));
}

/** Numbers are stages too, as far as they are there. */
function isStage(image: string, stages: readonly Stage[]): boolean {
  if (/^\d+$/.test(image) && Number(image) < stages.length) return true;
  return stages.some(({ name }) => name !== '' && name === image.toLowerCase());
}

function lastStage(stages: readonly Stage[], target: string | undefined): number {
  if (target === undefined) return stages.length - 1;
  const named = stages.findLastIndex(({ name }) => name !== '' && name === target.toLowerCase());
  if (named >= 0) return named;
  if (/^\d+$/.test(target) && Number(target) < stages.length) return Number(target);
  const names = stages.flatMap(({ name }) => (name === '' ? [] : [name]));
  throw invalid(`it has no stage "${target}"${names.length > 0 ? `; its stages: ${names.join(', ')}` : ''}`);
}

/** `COPY --from=IMAGE`; a variable in it is not replaced. */
function fromFlags(text: string): string[] {
  const flags = wordsOf(text).filter((word) => word.startsWith('--from='));
  return flags.map((word) => word.slice('--from='.length)).filter(isImage);
}

/** `RUN --mount=type=bind,from=IMAGE,...` */
function mountsOf(text: string): string[] {
  const mounts: string[] = [];
  for (const word of wordsOf(text)) {
    if (!word.startsWith('--')) break;
    if (!word.startsWith('--mount=')) continue;
    const fields = word.slice('--mount='.length).split(',');
    mounts.push(
      ...fields.flatMap((field) => (field.startsWith('from=') ? [field.slice('from='.length)] : [])),
    );
  }
  return mounts.filter(isImage);
}

function isImage(text: string): boolean {
  return text !== '' && !text.includes('$');
}

/** Words between spaces; quotes keep spaces. */
function wordsOf(text: string): string[] {
  return text.match(/(?:[^\s"']|"[^"]*"|'[^']*'|["'])+/g) ?? [];
}

/** The variables that FROM has without an ARG. */
function platformValues(arch: BuildChoice['arch']): [string, string][] {
  const parts: [string, string][] = [
    ['PLATFORM', `linux/${arch}`],
    ['OS', 'linux'],
    ['ARCH', arch],
  ];
  return ['TARGET', 'BUILD'].flatMap((of) =>
    parts.map(([part, value]): [string, string] => [`${of}${part}`, value]),
  );
}

function invalid(why: string): AppError {
  return new AppError('IMAGE_DOCKERFILE_INVALID', `Cannot use the Dockerfile: ${printable(why)}`, {
    details: {},
  });
}
