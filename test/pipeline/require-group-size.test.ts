import { describe, expect, it } from 'vitest';
import { methodByName } from '../../src/pipeline/methods/method-registry.js';
import { requireGroupSize } from '../../src/pipeline/prepare/require-group-size.js';

const layer = (of: number) => ({ name: 'some.linear', pattern: { kind: 'n:m', keep: 1, of } as const });

describe('groups as large as a block may be', () => {
  it.each([
    ['sparsegpt', 256],
    ['thanos', 512],
  ])('are taken by %s, and none that are larger', (name, largest) => {
    const { largestGroup = Number.POSITIVE_INFINITY } = methodByName(name);
    const method = { name, largestGroup };
    expect(() => requireGroupSize([layer(4), layer(largest)], method)).not.toThrow();
    expect(() => requireGroupSize([layer(4), layer(largest + 1)], method)).toThrow(
      `some.linear: ${name} takes patterns N:M with M up to ${largest}, and this one is 1:${largest + 1}`,
    );
  });

  it('are no matter for others', () => {
    for (const name of ['wanda', 'alps']) expect(methodByName(name).largestGroup).toBeUndefined();
  });
});
