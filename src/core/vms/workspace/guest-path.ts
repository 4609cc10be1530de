/** Where a working tree is copied by default. */
export const DEFAULT_GUEST_PATH = '/root/repo';
