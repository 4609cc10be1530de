/** The template that a command is about. */
export const KEY_ARGUMENT = {
  name: 'key',
  summary: 'its key, or a unique prefix of it',
  isRequired: true,
  kind: 'template',
} as const;
