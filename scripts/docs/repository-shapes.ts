import { list, object, optional, text } from '../../src/base/json-schema/build.ts';

/** What `vm run --json` says about the file of a repository. */
export const repositoryNetwork = optional(
  object(
    { file: text('on this host'), allow: list(text(), 'its rules and presets') },
    "what the repository's own .banger.toml asks for; the VM's `network` is no wider",
  ),
);
