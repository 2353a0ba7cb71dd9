import { describe, expect, it } from 'vitest';
import { takenOver, variantsOf } from '../../src/compare/variant.js';
import type { RunConfig } from '../../src/config/run-schema.js';
import { RequestError } from '../../src/index.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';

const base: RunConfig = runSchema.parse({
  model: '/model',
  output: '/out',
  calibration: { data: 'text.txt' },
  prune: {
    method: 'sparsegpt',
    pattern: '2:4',
    options: { damping: 0.05 },
    rules: [{ match: '*.k_proj', keep: 'dense' }],
  },
  evaluation: { data: 'text.txt' },
});

const asked = (methods: string[], goals: string[]) => variantsOf(base, { methods, goals, folder: '/work' });

describe('the variants of a comparison', () => {
  it('are every method at every goal, each in a folder of its own and without evaluation', () => {
    const variants = asked(['sparsegpt', 'wanda+dsnot+least_squares@owl'], ['2:4', '0.6']);
    expect(variants.map(({ folder }) => folder)).toEqual([
      'sparsegpt-2of4',
      'wanda-dsnot-least_squares-owl-2of4',
      'sparsegpt-0.6',
      'wanda-dsnot-least_squares-owl-0.6',
    ]);
    for (const { config, folder } of variants) {
      expect(config.output).toBe(`/out/${folder}`);
      expect(config.evaluation).toBeUndefined();
      expect(config.prune.rules).toEqual(base.prune.rules);
    }
    const [first, second, third] = variants.map(({ config }) => config.prune);
    expect(first).toMatchObject({ pattern: '2:4', options: { damping: 0.05 }, update: { name: 'none' } });
    expect(second).toMatchObject({
      method: 'wanda',
      refine: { name: 'dsnot' },
      update: { name: 'least_squares' },
      allocation: { name: 'owl' },
    });
    expect(third).toMatchObject({ method: 'sparsegpt', sparsity: 0.6 });
    expect(third?.pattern).toBeUndefined();
  });

  it('may have plus signs in the name of the method', () => {
    const variants = asked(['wanda', 'wanda++', 'wanda+++least_squares@owl'], ['0.6']);
    expect(variants.map(({ folder }) => folder)).toEqual([
      'wanda-0.6',
      'wanda-plus-plus-0.6',
      'wanda-plus-plus-least_squares-owl-0.6',
    ]);
    const [, second, third] = variants.map(({ config }) => config.prune);
    expect(second).toMatchObject({ method: 'wanda++', update: { name: 'none' } });
    expect(third).toMatchObject({ method: 'wanda++', update: { name: 'least_squares' } });
  });

  it('take options in brackets, of the method, what follows and the allocation, and keys of the run file', () => {
    const method = 'sparsegpt[block_size=64, calibration.recovery=0.4]+regional[rounds=2]@owl[lambda=0.2]';
    const [first, second, third] = asked(
      [method, 'wanda++[rounds=3]+dsnot', 'loss_change[tile=[16, 8]]'],
      ['0.6'],
    );
    expect(first?.folder).toBe(
      'sparsegpt-block_size-64-calibration.recovery-0.4-regional-rounds-2-owl-lambda-0.2-0.6',
    );
    expect(first?.method).toBe(method);
    expect(first?.config.calibration).toMatchObject({ recovery: 0.4 });
    expect(first?.config.prune).toMatchObject({
      options: { damping: 0.05, block_size: 64 },
      update: { name: 'regional', rounds: 2 },
      allocation: { name: 'owl', lambda: 0.2 },
    });
    expect(second?.config.prune).toMatchObject({
      method: 'wanda++',
      options: { rounds: 3 },
      refine: { name: 'dsnot' },
    });
    expect(third?.config.prune).toMatchObject({ options: { tile: [16, 8] } });
  });

  it("have the run file's allocation, existing_zeros and rules, and its recovery where a Gram matrix is measured", () => {
    const allocation = { name: 'owl', lambda: 0.2 };
    const run = {
      ...base,
      calibration: { data: 'text.txt', samples: 12, recovery: 0.4 },
      prune: { ...base.prune, existing_zeros: 'keep', allocation },
    };
    const methods = ['wanda', 'sparsegpt', 'wanda+least_squares', 'magnitude', 'alps@alpha'];
    const variants = variantsOf(runSchema.parse(run), { methods, goals: ['2:4', '0.6'], folder: '/work' });
    expect(variants).toHaveLength(10);
    for (const [i, { config }] of variants.entries()) {
      const recovery = [0, 0.4, 0.4, 0, 0.4][i % 5];
      expect(config.calibration).toMatchObject({ samples: 12, recovery });
      const { existing_zeros, rules, allocation: own } = config.prune;
      expect({ existing_zeros, rules }).toEqual({ existing_zeros: 'keep', rules: base.prune.rules });
      if (i % 5 === 4) expect(own.name).toBe('alpha');
      else expect(own).toMatchObject(allocation);
    }
  });

  it('take paths in brackets from the folder of the run file', () => {
    const [variant] = asked(['wanda[calibration.data=./other.txt]'], ['0.5']);
    expect(variant?.config.calibration?.data).toEqual([{ path: '/work/other.txt', weight: 1 }]);
  });

  it('take over the options of the run file only where they are no defaults', () => {
    const { options } = base.prune;
    expect(takenOver(base.prune)).toMatchObject({ method: 'sparsegpt', options, rules: base.prune.rules });
    for (const prune of [
      { method: 'sparsegpt', sparsity: 0.6 },
      { method: 'magnitude', options: { threshold: 0.1 } },
      { method: 'wanda', pattern: '2:4', update: 'least_squares' },
    ]) {
      const run = runSchema.parse({ model: '/model', output: '/out', prune });
      expect(takenOver(run.prune)).toEqual({
        existing_zeros: 'count',
        rules: [],
        allocation: { name: 'uniform' },
      });
    }
  });

  it.each([
    [['wanda++dsnot'], ['2:4'], /an empty name is no refinement or update/],
    [['wandaa'], ['2:4'], /wandaa is no method; known are magnitude, wanda/],
    [[''], ['2:4'], /an empty name is no method/],
    [
      ['wanda+alps'],
      ['2:4'],
      /alps is no refinement or update; known are dsnot, least_squares, admm, regional/,
    ],
    [['wanda+admm+least_squares'], ['2:4'], /admm and least_squares are both an update/],
    [['wanda@fair'], ['2:4'], /fair is no allocation; known are uniform, owl/],
    [['wanda@owl@loss'], ['2:4'], /wanda@owl@loss: more than one allocation/],
    [['wanda[scope=tensor'], ['0.5'], /brackets hold options and end what they belong to/],
    [['wanda[scope=tensor]x'], ['0.5'], /brackets hold options and end what they belong to/],
    [['wanda[scope]'], ['0.5'], /wanda\[scope\]: scope: expected key.path=value/],
    [['wanda[scope=all]'], ['0.5'], /wanda\[scope=all\] at 0.5: prune.options.scope/],
    [['wanda[reach=3]'], ['0.5'], /wanda\[reach=3\] at 0.5: prune.options/],
    [['wanda[calibration.samples=none]'], ['0.5'], /at 0.5: calibration.samples/],
    [['wanda'], ['4:2'], /wanda at 4:2: prune.pattern/],
    [['wanda'], ['1.5'], /the goal 1.5 is neither N:M nor a fraction/],
    [['wanda'], ['half'], /the goal half is neither/],
    [['wanda', 'wanda'], ['0.5'], /wanda-0.5 is asked for twice/],
  ])('%j at %j is refused', (methods, goals, message) => {
    expect(() => asked(methods, goals)).toThrow(message);
    expect(() => asked(methods, goals)).toThrow(RequestError);
  });
});
