import * as z from 'zod';

// What saved a guest (`core/ports/saved-by.ts`), in records and in manifests of snapshots. Later versions of
// banger read it.

const part = z.looseObject({ name: z.string(), token: z.string() });

/** The kind of saved guest that a VMM makes. */
export const savedGuestKind = z.looseObject({
  key: z.string(),
  parts: z.looseObject({ vmm: part, accelerator: part, processor: part, machine: part }),
});

/** The program and the host that saved a guest. */
export const savedBy = z.looseObject({
  kind: savedGuestKind.exactOptional(),
  agent: z.looseObject({ generation: z.int(), version: z.string() }).exactOptional(),
  banger: z.string(),
});
