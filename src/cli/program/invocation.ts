import { AppError, unreachable } from '../../base/errors.ts';
import {
  type Catalog,
  type CommandDefinition,
  type Invocation,
  type OptionDefinition,
  usageOf,
} from './command.ts';

/** What the parser found for one command. */
export interface TypedWords {
  args: string[];
  /** option values as commander returns them */
  given: Readonly<Record<string, unknown>>;
  trailing: string[] | undefined;
  catalog: Catalog;
}

/**
 * Builds the argument of a command's `run` from what was typed.
 *
 * @throws {AppError} USAGE_ARGUMENTS for arguments that the command does not take; the hint says where they
 * may belong.
 */
export function invocationOf(
  definition: CommandDefinition,
  { args, given, trailing, catalog }: TypedWords,
): Invocation {
  refuseExcess(definition, { args, trailing });
  const options = Object.fromEntries(
    Object.entries(definition.options).map(([key, option]) => [key, optionValue(key, { option, given })]),
  );
  const invocation = { args: args.map((word) => word.toWellFormed()), options, catalog };
  return trailing ? { ...invocation, trailing } : invocation;
}

function refuseExcess(
  definition: CommandDefinition,
  { args, trailing }: Pick<TypedWords, 'args' | 'trailing'>,
): void {
  const name = definition.path.join(' ');
  const usage = `usage: ${usageOf(definition)}`;
  if (trailing && !definition.trailing) {
    throw new AppError('USAGE_ARGUMENTS', `Cannot use "--" with ${name}: it runs no command`, {
      hint: usage,
    });
  }
  if (definition.args.some(({ isVariadic }) => isVariadic)) return;
  const taken = args.slice(0, definition.args.length);
  const excess = args.slice(definition.args.length);
  if (excess.length === 0) return;
  throw new AppError(
    'USAGE_ARGUMENTS',
    `Cannot use ${JSON.stringify(excess[0])} with ${name}: it is one argument too many`,
    {
      hint: definition.trailing
        ? `a command goes after --, as in: ${['banger', name, ...taken, '--', ...excess].join(' ')}`
        : usage,
    },
  );
}

function optionValue(
  key: string,
  { option, given }: { option: OptionDefinition; given: Readonly<Record<string, unknown>> },
): string | string[] | boolean | undefined {
  // Commander keeps `--no-x` as `x: false`.
  const positive = /^no([A-Z].*)$/.exec(key)?.[1];
  const value = positive ? given[positive.charAt(0).toLowerCase() + positive.slice(1)] : given[key];
  switch (option.type) {
    case 'flag':
      return value === !positive;
    case 'list':
      return (Array.isArray(value) ? value : []).map((each: string) => shown(each, option));
    case 'value':
      return typeof value === 'string' ? shown(value, option) : undefined;
    default:
      return unreachable(option, 'option');
  }
}

/** Only what is on its way to the guest may be other than text. */
function shown(value: string, { keepsBytes = false }: { keepsBytes?: boolean }): string {
  return keepsBytes ? value : value.toWellFormed();
}
