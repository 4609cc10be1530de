import { PLATFORMS } from '../../protocol/image/platform.ts';
import type { OptionDefinitions } from '../program/command.ts';

/** Option of every command that makes an image, or a VM of one. */
export const PLATFORM_OPTION = {
  platform: {
    type: 'value',
    value: 'platform',
    kind: PLATFORMS,
    summary: `${PLATFORMS.join(' or ')}; guests of another architecture than this host's are emulated`,
    defaultText: () => "this host's",
  },
} as const satisfies OptionDefinitions;
