import { AppError, printable } from '../../../base/errors.ts';
import { formatSize } from '../../../base/text/size.ts';
import { jsonText } from '../../../base/text/unprintable.ts';
import type { Vm } from '../../../protocol/vm.ts';
import { formatAge } from '../../render/format.ts';
import { renderTable } from '../../render/table.ts';

/** How a VM is shown: whole, as JSON or as text, or one of its fields. */
export type ShowFormat = 'json' | 'text' | { field: readonly string[] };

/**
 * Parses `json`, `text`, or the path of a field: `.shape.memoryMib`.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function parseShowFormat(text: string): ShowFormat {
  if (text === 'json' || text === 'text') return text;
  if (/^(\.[A-Za-z_]+)+$/.test(text)) return { field: text.slice(1).split('.') };
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for --format: it is not a format`, {
    hint: 'use json, text, or the path of a field in the JSON, such as .state',
    details: { field: 'format', value: text },
  });
}

/**
 * Returns a VM in the given format, ending with a line feed. A field that the VM lacks now, such as
 * `.runtime` of a VM that is not running, is an empty line.
 *
 * @throws {AppError} USAGE_OPTION_VALUE for a field that no VM has; the hint names the existing ones.
 */
export function showVm(vm: Vm, format: ShowFormat, { nowMs }: { nowMs: number }): string {
  if (format === 'json') return `${jsonText(vm, 2)}\n`;
  if (format === 'text') return renderTable(rowsOf(vm, nowMs));
  const value = fieldOf(vm, format.field);
  return `${typeof value === 'object' ? jsonText(value, 2) : printable(String(value ?? ''))}\n`;
}

function rowsOf(vm: Vm, nowMs: number): string[][] {
  const { shape, workspace, runtime, lastError } = vm;
  return [
    ['name', vm.name],
    ['id', vm.id],
    ['state', vm.state],
    ...(lastError ? [['last error', `${lastError.message} (${lastError.code})`]] : []),
    ['image', vm.image],
    ...(vm.user === undefined ? [] : [['user', vm.user]]),
    ['vcpu', String(shape.vcpuCount)],
    ['memory', `${shape.memoryMib} MiB`],
    ['disk', formatSize(shape.diskSizeBytes)],
    ['system overlay', formatSize(shape.systemOverlaySizeBytes)],
    ['network', vm.nat ? 'nat' : 'none'],
    ...(vm.guest_ip ? [['ip', vm.guest_ip]] : []),
    ...(vm.web_url ? [['web', vm.web_url]] : []),
    ...(vm.forwards ?? []).map(({ hostPort, guestPort, isReverse }) => [
      'forward',
      isReverse
        ? `127.0.0.1:${guestPort} of the guest to port ${hostPort} of this host`
        : `127.0.0.1:${hostPort} to port ${guestPort} of the guest`,
    ]),
    ...(workspace ? [['workspace', `${workspace.guestPath} (from ${workspace.sourcePath})`]] : []),
    ...(runtime
      ? [
          ['vmm', `${runtime.vmm} (${runtime.accelerator}), process ${runtime.pid}`],
          ['started', formatAge(runtime.startedAt, nowMs)],
        ]
      : []),
    ...(vm.ephemeral ? [['ephemeral', 'deleted when the command that made it ends']] : []),
    ['created', formatAge(vm.createdAt, nowMs)],
  ];
}

/** Fields that a VM has only at times. */
const SOMETIMES = ['workspace', 'runtime', 'lastError', 'guest_ip', 'web_url', 'forwards', 'user'];

function fieldOf(vm: Vm, path: readonly string[]): unknown {
  let value: unknown = vm;
  for (const [at, name] of path.entries()) {
    if (at > 0 && value === undefined) return undefined;
    const known = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    const found = known.find(([key]) => key === name);
    if (!found && !(at === 0 && SOMETIMES.includes(name)) && !(at > 0 && SOMETIMES.includes(path[0] ?? ''))) {
      throw noSuchField(
        path.slice(0, at + 1),
        known.map(([key]) => key),
      );
    }
    value = found?.[1];
  }
  return value;
}

function noSuchField(path: readonly string[], known: readonly string[]): AppError {
  const parent = path
    .slice(0, -1)
    .map((name) => `.${name}`)
    .join('');
  return new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot show .${path.join('.')} of a VM: there is no such field`,
    {
      hint:
        known.length > 0
          ? `the fields are ${known.map((name) => `${parent}.${name}`).join(', ')}`
          : `${parent} has no fields`,
      details: { field: 'format', value: `.${path.join('.')}` },
    },
  );
}
