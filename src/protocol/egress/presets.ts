/** Names of rules that stand for the hosts that a tool, or a public service, uses; written `@npm`. */
export const PRESET_NAMES = ['npm', 'pypi', 'crates', 'go', 'debian', 'github', 'docker'] as const;

/** The name of a preset. */
export type PresetName = (typeof PRESET_NAMES)[number];
