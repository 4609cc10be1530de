import type { JsonSchema } from '../../src/base/json-schema/schema.ts';
import { NAMED_SHAPES } from './json-shapes.ts';

/** One field of an object. */
export interface Field {
  name: string;
  isOptional: boolean;
  /** markdown */
  type: string;
  meaning: string;
}

/** A value as markdown. A value that has a name becomes a link; all others are written out. */
export function shapeText(schema: JsonSchema): string {
  const name = Object.entries(NAMED_SHAPES).find(([, named]) => named === schema)?.[0];
  if (name !== undefined) return `[${name}](#${name.toLowerCase()})`;
  const { type, anyOf, allOf, items, properties, description } = schema;
  if (allOf) return allOf.map(shapeText).join(' with ');
  if (anyOf) return anyOf.map(shapeText).join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  const words = schema.enum ?? schema['x-extensible-enum'];
  if (words) return words.map((word) => `\`"${word}"\``).join(' or ');
  if (type === 'array') return `array of ${items ? shapeText(items) : 'anything'}`;
  if (properties) {
    const fields = partsOf(schema).map(
      ([field, inner, isOptional]) => `\`${field}${isOptional ? '?' : ''}\`: ${shapeText(inner)}`,
    );
    return `{ ${fields.join(', ')} }`;
  }
  if (type === undefined) return description ?? 'anything';
  return type === 'integer' ? 'number' : type;
}

/** The fields of an object or of each object in a union; none for other values. */
export function fieldsOf(schema: JsonSchema): Field[][] {
  if (schema.anyOf) return schema.anyOf.flatMap(fieldsOf);
  if (!schema.properties) return [];
  return [
    partsOf(schema).map(([name, inner, isOptional]) => ({
      name,
      isOptional,
      type: shapeText(inner),
      meaning: inner.description ?? '',
    })),
  ];
}

function partsOf({ properties = {}, required = [] }: JsonSchema): [string, JsonSchema, boolean][] {
  return Object.entries(properties).map(([name, inner]) => [name, inner, !required.includes(name)]);
}
