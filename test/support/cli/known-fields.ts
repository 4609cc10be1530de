import { isRecord, isValid } from '../../../src/base/json-schema/check.ts';
import type { JsonSchema } from '../../../src/base/json-schema/schema.ts';

/** Returns `value`, which matches `schema`, without unknown fields. */
export function knownFields(schema: JsonSchema, value: unknown): unknown {
  const { anyOf, allOf, items, properties } = schema;
  if (anyOf) {
    const fitting = anyOf.find((option) => isValid(option, value));
    return fitting ? knownFields(fitting, value) : undefined;
  }
  if (allOf) return Object.assign({}, ...allOf.map((part) => knownFields(part, value)));
  if (items && Array.isArray(value)) return value.map((item) => knownFields(items, item));
  if (!properties || !isRecord(value)) return value;
  const known = Object.entries(value).flatMap(([name, part]) => {
    const field = properties[name];
    return field ? [[name, knownFields(field, part)] as const] : [];
  });
  return Object.fromEntries(known);
}
