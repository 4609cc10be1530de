import { SecretSources } from '../../../src/adapters/secrets/secret-sources.ts';

/** Secrets of a host whose daemon was given none. */
export const NO_SECRETS = new SecretSources({ env: process.env, secret: async () => Buffer.alloc(32, 1) });
