import { afterAll, describe, expect, it } from 'vitest';
import { RunError } from '../../src/errors.js';
import { allocateNative, bytesView, float32View, freeNative } from '../../src/system/native-memory.js';

const region = allocateNative(4096);
afterAll(() => freeNative(region));

describe('a view of more than 4 GiB', () => {
  // Without a check of its own Node 20 aborts the process.
  it('is an error', () => {
    expect(() => float32View(region.address, 2 ** 30 + 1)).toThrow(RunError);
    expect(() => bytesView(region.address, 2 ** 32 + 1)).toThrow(/4 GiB/);
  });
});
