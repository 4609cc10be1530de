import { AppError } from '../../../base/errors.ts';
import { parseSize } from '../../../base/text/size.ts';
import type { SetVmRequest } from '../../../protocol/api/vm-requests.ts';
import { MIN_MEMORY_MIB } from '../../../protocol/vm-limits.ts';
import { ProblemList } from '../../program/problems.ts';
import { parseCount } from '../vm-options.ts';

/** Option values of `vm set`. */
export interface SetOptions {
  vcpu: string | undefined;
  memory: string | undefined;
  diskSize: string | undefined;
  nat: boolean;
  noNat: boolean;
}

/**
 * Returns the requested changes of a VM.
 *
 * @throws {AppError} USAGE_OPTIONS when no change was requested; VM_SHAPE_INVALID, SIZE_INVALID.
 */
export function setRequestOf({ vcpu, memory, diskSize, nat, noNat }: SetOptions): SetVmRequest {
  const problems = new ProblemList();
  const given = (value: string | undefined, parse: (text: string) => number): number | undefined =>
    value === undefined ? undefined : problems.attempt(() => parse(value));
  const vcpuCount = given(vcpu, (text) => parseCount(text, { flag: '--vcpu', least: 1 }));
  const memoryMib = given(memory, (text) =>
    parseCount(text, { flag: '--memory', least: MIN_MEMORY_MIB, unit: 'MiB' }),
  );
  const diskSizeBytes = given(diskSize, (text) => parseSize(text, '--disk-size'));
  problems.throwAny();
  const request = {
    ...(vcpuCount === undefined ? {} : { vcpuCount }),
    ...(memoryMib === undefined ? {} : { memoryMib }),
    ...(diskSizeBytes === undefined ? {} : { diskSizeBytes }),
    ...(nat || noNat ? { nat } : {}),
  };
  if (Object.keys(request).length > 0) return request;
  throw new AppError('USAGE_OPTIONS', 'Cannot change a VM: no change was requested', {
    hint: 'give --vcpu, --memory, --disk-size, --nat or --no-nat',
  });
}
