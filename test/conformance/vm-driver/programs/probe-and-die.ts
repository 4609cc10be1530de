import { type ProbeBoot, reachesInitramfs } from '../../../../src/adapters/vmm/qemu/probe-boot.ts';

// Begins a test boot that never ends, and is killed in the middle of it.
const probe = JSON.parse(process.argv[2] ?? '') as ProbeBoot;
setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300);
await reachesInitramfs(probe, { signal: AbortSignal.timeout(60_000) });
