import { z } from 'zod';

// What saved a guest (`core/ports/saved-by.ts`), as records and the manifests of snapshots keep it: it is
// read by later versions of banger.

const part = z.looseObject({ name: z.string(), token: z.string() });

/** What a VMM can save guests as. */
export const savedGuestKind = z.looseObject({
  key: z.string(),
  parts: z.looseObject({ vmm: part, accelerator: part, processor: part, machine: part }),
});

/** What saved a guest. */
export const savedBy = z.looseObject({
  kind: savedGuestKind.exactOptional(),
  agent: z.looseObject({ generation: z.int(), version: z.string() }).exactOptional(),
  banger: z.string(),
});
