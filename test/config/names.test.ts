import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesName } from '../../src/config/match-name.js';
import { editDistance, nearest } from '../../src/config/nearest.js';
import { parseSize } from '../../src/config/parse-size.js';
import { isHubName } from '../../src/config/resolve-model.js';

describe('matchesName', () => {
  it.each([
    ['model.layers.0.*', 'model.layers.0.self_attn.q_proj', true],
    ['model.layers.0.*', 'model.layers.01.self_attn.q_proj', false],
    ['*.down_proj', 'model.layers.3.mlp.down_proj', true],
    ['*.down_proj', 'model.layers.3.mlp.down_proj2', false],
    ['down_proj', 'model.layers.3.mlp.down_proj', false],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['ab*ba', 'aba', false],
    ['ab*ba', 'abba', true],
    ['a.b', 'axb', false],
    ['[a]?', 'a', false],
  ])('%s against %s is %s', (pattern, name, expected) => {
    expect(matchesName(pattern, name)).toBe(expected);
  });

  it('agrees with the regular expression that has .* for every star', () => {
    const letters = (alphabet: string, maxLength: number) =>
      fc.array(fc.constantFrom(...alphabet), { maxLength }).map((all) => all.join(''));
    fc.assert(
      fc.property(letters('ab.*', 8), letters('ab.', 12), (pattern, name) => {
        const regex = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 's');
        expect(matchesName(pattern, name)).toBe(regex.test(name));
      }),
      { numRuns: 3000 },
    );
  });

  it('takes no exponential time', () => {
    const started = performance.now();
    expect(matchesName(`${'*a'.repeat(3000)}b`, 'a'.repeat(6000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('isHubName', () => {
  it.each([
    ['org/name', true],
    ['org/name@refs/pr/1', true],
    ['org/na.me@v1.0', true],
    ['name', false],
    ['./name', false],
    ['../name', false],
    ['a/b/c', false],
    ['a--b/c', false],
    ['org/name@a..b', true],
    ['org/name@..', false],
    ['org/name.git', false],
  ])('of %s is %s', (name, expected) => {
    expect(isHubName(name)).toBe(expected);
  });
});

describe('nearest', () => {
  it.each([
    ['sparsty', 'sparsity'],
    ['max-shard-size', 'max_shard_size'],
    ['Samples', 'samples'],
    ['sampels', 'samples'],
    ['lenght', undefined],
    ['', undefined],
  ])('of %s is %s', (word, expected) => {
    expect(nearest(word, ['sparsity', 'samples', 'max_shard_size', 'sequence_length'])).toBe(expected);
  });

  it('measures a distance: zero to itself, symmetric, one for one edit', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), (a, b) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(editDistance(a, `${a}x`)).toBe(1);
      }),
    );
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('ab', 'ba')).toBe(1);
  });
});

describe('parseSize', () => {
  it.each([
    ['5GB', 5_000_000_000],
    ['500MB', 500_000_000],
    ['1.5 gb', 1_500_000_000],
    ['1.005KB', 1005],
    ['7B', 7],
    ['1.9B', 1],
    ['2TB', 2e12],
    [' 3KB ', 3000],
    [4096, 4096],
    ['0B', undefined],
    ['0.5B', undefined],
    [0, undefined],
    [-1, undefined],
    [1.5, undefined],
    ['5', undefined],
    ['5GiB', undefined],
    ['-5GB', undefined],
    ['1e3GB', undefined],
    ['99999999999TB', undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ])('of %j is %j', (size, bytes) => {
    expect(parseSize(size)).toBe(bytes);
  });

  it('counts decimal units exactly', () => {
    const units = ['B', 'KB', 'MB', 'GB'];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999_999 }),
        fc.nat({ max: 3 }),
        fc.nat({ max: 3 }),
        (value, unit, digits) => {
          const written = (value / 10 ** digits).toFixed(digits);
          const exact = (BigInt(value) * 1000n ** BigInt(unit)) / 10n ** BigInt(digits);
          expect(parseSize(`${written}${units[unit]}`)).toBe(exact === 0n ? undefined : Number(exact));
        },
      ),
    );
  });
});
