import { expect, it } from 'vitest';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

it.each([
  [1, 1],
  [1, 9],
  [9, 1],
  [2, 3],
  [4, 4],
  [5, 4],
  [31, 33],
  [32, 32],
  [33, 31],
  [67, 128],
  [130, 37],
])('transposes %i×%i', (rows, columns) => {
  // Bits rather than numbers: NaN patterns pass unchanged too.
  const bits = Uint32Array.from({ length: rows * columns }, (_, i) => 0x7f800000 + i);
  const target = workspace.out(bits.byteLength);
  kernels.transpose(workspace.put(bits), target, rows, columns);
  const expected = Uint32Array.from(
    { length: bits.length },
    (_, i) => bits[(i % rows) * columns + Math.floor(i / rows)] as number,
  );
  expect(kernels.u32(target, bits.length)).toEqual(expected);
  workspace.finish();
});
