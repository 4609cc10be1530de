import * as z from 'zod';
import { NETWORK_MODES } from '../vm.ts';

// The network of a VM in records and in manifests of snapshots. Rules that a later version of banger reads
// back must be all there: without them, a guest would reach everything.

const rule = z.looseObject({ rule: z.string(), from: z.string().exactOptional() });

const secret = z.looseObject({
  name: z.string(),
  source: z.string(),
  host: z.string(),
  port: z.int().min(1).max(65_535),
  placeholder: z.string(),
});

/** What a VM is connected to, and what it may reach. */
export const storedNetwork = z.looseObject({
  mode: z.enum(NETWORK_MODES),
  policy: z.looseObject({ allow: z.array(z.string()), rules: z.array(rule) }).exactOptional(),
  secrets: z.array(secret).exactOptional(),
  authority: z.string().exactOptional(),
});
