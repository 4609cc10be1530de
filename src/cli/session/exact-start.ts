import { bytesOfEscaped, hasEscapes } from '../../base/escaped-bytes.ts';
import { type ByteString, byteString, type ExecStart } from '../../protocol/guest.ts';

/** Returns `start` with escaped text replaced by the exact bytes that the user gave. */
export function exactStart({ argv, env, cwd, ...rest }: ExecStart): ExecStart {
  return {
    ...rest,
    argv: argv.map(exact),
    ...(env === undefined
      ? {}
      : { env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, exact(value)])) }),
    ...(cwd === undefined ? {} : { cwd: exact(cwd) }),
  };
}

function exact(value: ByteString): ByteString {
  return typeof value === 'string' && hasEscapes(value) ? byteString(bytesOfEscaped(value)) : value;
}
