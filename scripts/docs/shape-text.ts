import type { z } from 'zod';
import { NAMED_SHAPES } from './json-shapes.ts';

/** The parts of zod's definitions that the documents show (zod 4, `schema.def`). */
interface Definition {
  type: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  left?: z.ZodType;
  right?: z.ZodType;
  options?: readonly z.ZodType[];
  shape?: Readonly<Record<string, z.ZodType>>;
  entries?: Readonly<Record<string, string>>;
  values?: readonly unknown[];
}

/** One field of an object. */
export interface Field {
  name: string;
  isOptional: boolean;
  /** markdown */
  type: string;
  meaning: string;
}

/** A value as markdown: links to values that have a name, the rest written out. */
export function shapeText(schema: z.ZodType): string {
  const name = Object.entries(NAMED_SHAPES).find(([, named]) => named === schema)?.[0];
  if (name !== undefined) return `[${name}](#${name.toLowerCase()})`;
  const definition = definitionOf(schema);
  const { type, innerType, element, left, right } = definition;
  const { options = [], shape = {}, entries = {}, values = [] } = definition;
  switch (type) {
    case 'intersection':
      return [left, right].map((side) => (side ? shapeText(side) : 'anything')).join(' with ');
    case 'optional':
    case 'nonoptional':
      return innerType ? shapeText(innerType) : 'anything';
    case 'array':
      return `array of ${element ? shapeText(element) : 'anything'}`;
    case 'union':
      return options.map((option) => shapeText(option)).join(' or ');
    case 'enum':
      return Object.values(entries)
        .map((entry) => `\`"${entry}"\``)
        .join(' or ');
    case 'literal':
      return values.map((value) => `\`${JSON.stringify(value)}\``).join(' or ');
    case 'object':
      return `{ ${Object.entries(shape)
        .map(([field, inner]) => `\`${field}${isOptional(inner) ? '?' : ''}\`: ${shapeText(inner)}`)
        .join(', ')} }`;
    case 'record':
      return 'object';
    case 'unknown':
      return schema.description ?? 'anything';
    default:
      return type;
  }
}

/** The fields of an object, or of each of several; none for other values. */
export function fieldsOf(schema: z.ZodType): Field[][] {
  const { type, options = [], shape = {} } = definitionOf(schema);
  if (type === 'union') return options.flatMap(fieldsOf);
  if (type !== 'object') return [];
  return [
    Object.entries(shape).map(([name, inner]) => ({
      name,
      isOptional: isOptional(inner),
      type: shapeText(inner),
      meaning: inner.description ?? innerOf(inner).description ?? '',
    })),
  ];
}

function isOptional(schema: z.ZodType): boolean {
  return definitionOf(schema).type === 'optional';
}

function innerOf(schema: z.ZodType): z.ZodType {
  return definitionOf(schema).innerType ?? schema;
}

function definitionOf(schema: z.ZodType): Definition {
  return schema.def as unknown as Definition;
}
