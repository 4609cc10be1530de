/** The operation that a command is about. */
export const OPERATION_ID = {
  name: 'operation',
  summary: 'its id, as banger operations list shows it',
  isRequired: true,
  kind: 'operation',
} as const;
