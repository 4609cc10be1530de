/**
 * Options of `vm create` for many VMs: small, so that their creation is quick, and all of one shape, so that
 * they share one warm template.
 */
export const SMALL_SHAPE = [
  ...(['--vcpu', '1', '--memory', '256'] as const),
  ...(['--disk-size', '256M', '--system-overlay-size', '256M'] as const),
];
