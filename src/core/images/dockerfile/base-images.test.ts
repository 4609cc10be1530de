import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { baseImages } from './base-images.ts';

function bases(text: string, buildArgs: Record<string, string> = {}, target?: string): string[] {
  return baseImages(text, { buildArgs, arch: 'amd64', ...(target === undefined ? {} : { target }) });
}

test('images come from FROM, COPY and RUN, and stages are none', () => {
  const text = `
# syntax=docker/dockerfile:1
FROM --platform=$BUILDPLATFORM golang:1.22 AS Build
RUN --mount=type=bind,from=tools:1,source=/x,target=/x --mount=type=cache,target=/c go build
FROM build AS test
FROM scratch
COPY --from=build /app /app
COPY --from=0 /app /other
COPY --chown=1:1 --from=localhost:5000/certs@sha256:${'a'.repeat(64)} /etc/ssl /etc/ssl
COPY --from=2 /x /y
ADD --from=golang:1.22 /a /b
`;
  assert.deepEqual(bases(text), [
    'golang:1.22',
    'tools:1',
    `localhost:5000/certs@sha256:${'a'.repeat(64)}`,
    '2',
  ]);
});

test('stages after the target need no images', () => {
  const text = 'FROM a AS one\nFROM b AS two\nFROM c\n';
  assert.deepEqual(bases(text, {}, 'TWO'), ['a', 'b']);
  assert.deepEqual(bases(text, {}, '0'), ['a']);
  assert.throws(
    () => bases(text, {}, 'three'),
    (error) => isAppError(error, 'IMAGE_DOCKERFILE_INVALID') && /its stages: one, two/.test(error.message),
  );
});

test('an ARG before the first FROM, and a build argument, are in it', () => {
  const text = `ARG TAG=3.20 "IMAGE=alpine"\nARG FULL=\${IMAGE}:$TAG\nARG NONE\nFROM \${FULL}\n`;
  assert.deepEqual(bases(text), ['alpine:3.20']);
  assert.deepEqual(bases(text, { TAG: 'edge' }), ['alpine:edge']);
  assert.deepEqual(bases(text, { FULL: 'x/y' }), ['x/y']);
  assert.deepEqual(bases(`ARG X\nFROM \${X:-debian:\${Y:-12}}`), ['debian:12']);
  assert.deepEqual(bases(`ARG X\nFROM a\${X:+-slim}`, { X: '1' }), ['a-slim']);
  assert.deepEqual(bases(`ARG X\nFROM a\${X:+-slim}`, { X: '' }), ['a']);
  assert.deepEqual(bases('FROM "a$TARGETARCH"'), ['aamd64']);
  assert.deepEqual(bases("FROM 'a$b'"), ['a$b']);
  assert.deepEqual(bases('FROM a\\$b'), ['a$b']);
  assert.throws(() => bases(`ARG X\nFROM \${X}`), /line 2: FROM names no image/);
  assert.throws(() => bases('RUN true'), /no FROM/);
});

test('lines continue, comments stand between them, and documents are no instructions', () => {
  assert.deepEqual(bases('FROM \\\n# why\n\n  a \\\n AS b\nRUN x \\\n  FROM c\n'), ['a']);
  assert.deepEqual(bases('# escape=`\nFROM a `\n AS b\nRUN dir c:\\\nFROM d'), ['a', 'd']);
  assert.deepEqual(
    bases('FROM a\nRUN <<EOF\nFROM b\nEOF\nCOPY <<-"X" <<Y /\nFROM c\n\tX\nFROM d\nY\nFROM e'),
    ['a', 'e'],
  );
  assert.deepEqual(bases('FROM a\nRUN cat <<EOF\nFROM b'), ['a', 'b']);
  assert.deepEqual(bases('\ufefffrom a\r\nfrom b\r\n'), ['a', 'b']);
});

test('any text either has images or is refused with one code', () => {
  const line = fc.oneof(
    fc.string({ maxLength: 30 }),
    fc.constantFrom(
      'FROM a',
      `ARG X=\${Y:-`,
      `FROM \${X`,
      'RUN <<E',
      'E',
      '\\',
      'FROM $',
      'COPY --from=',
      '# escape=`',
    ),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      try {
        for (const image of bases(lines.join('\n'))) assert.notEqual(image, '');
      } catch (error) {
        if (!isAppError(error, 'IMAGE_DOCKERFILE_INVALID')) throw error;
      }
    }),
  );
});
