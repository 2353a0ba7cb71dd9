/** Which calibration windows a method looks at. */
import { describe, expect, it } from 'vitest';
import type { CalibrationSet } from '../../src/calibration/load-calibration.js';
import type { BoundMethod } from '../../src/pipeline/methods/method.js';
import { methodByName } from '../../src/pipeline/methods/method-registry.js';
import { windowsOf } from '../../src/pipeline/prepare/method-windows.js';
import { windowNotes } from '../../src/pipeline/prepare/run-notes.js';

function lookedAt(name: string, samples: number, sequenceLength: number) {
  const calibration = { samples, sequenceLength } as CalibrationSet;
  const { statistics } = methodByName(name);
  const windows = windowsOf({ statistics } as BoundMethod, calibration);
  const [note] = windowNotes({ ...windows, calibration, gradients: undefined, regional: undefined });
  return { ...windows, note };
}

const note = (measured: number, all: number) =>
  `output errors of layers are measured on the first ${measured} of ${all} calibration windows`;

describe('a method without Gram matrices', () => {
  it.each([
    [12, 256, 8],
    [128, 2048, 1],
    [3, 4096, 1],
    [4, 1000, 3],
  ])(
    'has output errors over 2048 tokens, and says so: of %i windows of %i the first %i',
    (samples, length, first) => {
      expect(lookedAt('wanda', samples, length)).toEqual({
        windows: samples,
        gramWindows: first,
        note: note(first, samples),
      });
    },
  );

  it.each([
    [8, 256],
    [1, 2048],
    [5, 64],
  ])('has them over all tokens where they are no more: %i windows of %i', (samples, length) => {
    expect(lookedAt('wanda', samples, length)).toEqual({ windows: samples, gramWindows: samples });
  });
});

it('a method with Gram matrices has them over all windows', () => {
  expect(lookedAt('sparsegpt', 128, 2048)).toEqual({ windows: 128, gramWindows: 128 });
});

it('a method that looks at weights alone has no windows', () => {
  expect(lookedAt('magnitude', 128, 2048)).toEqual({ windows: 0, gramWindows: 0 });
});
