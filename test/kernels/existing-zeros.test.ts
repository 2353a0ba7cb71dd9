import { describe, expect, it } from 'vitest';
import { normals, uniform } from '../support/random.js';
import { bitsOf, fromBits, Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;
const lengths = [0, 1, 3, 4, 15, 16, 17, 31, 100, 1027];

/** Some ±0 and some that are as small as can be among others. */
function values(n: number): Float32Array<ArrayBuffer> {
  const next = uniform(n + 1);
  const special = [0, 0x8000_0000, 1, 0x8000_0001];
  const bits = bitsOf(normals(n, n) as Float32Array<ArrayBuffer>);
  return fromBits(bits.map((value) => (next() < 0.4 ? (special[Math.floor(next() * 4)] as number) : value)));
}

function bytes(n: number, seed: number): Uint8Array<ArrayBuffer> {
  const next = uniform(seed);
  return Uint8Array.from({ length: n }, () => (next() < 0.4 ? 1 : 0));
}

describe.each(lengths)('%i weights', (n) => {
  it('markZeros marks ±0 and nothing else', () => {
    const given = values(n);
    const marks = workspace.out(n);
    kernels.markZeros(workspace.put(given), n, marks);
    expect([...kernels.u8(marks, n)]).toEqual([...given].map((value) => (value === 0 ? 1 : 0)));
    workspace.finish();
  });

  it('rankMarkedFirst puts what is marked below all others, and leaves these in their order', () => {
    const given = values(n).map(Math.abs) as Float32Array<ArrayBuffer>;
    const marks = bytes(n, 7);
    const scores = workspace.put(given);
    kernels.rankMarkedFirst(scores, workspace.put(marks), n);
    const expected = bitsOf(given).map((value, i) => (marks[i] === 1 ? 0 : Math.max(value, 1)));
    expect([...bitsOf(kernels.f32(scores, n))]).toEqual([...expected]);
    workspace.finish();
  });

  it('addMarks leaves a mask of both', () => {
    const [given, marks] = [bytes(n, 3), bytes(n, 5)];
    const mask = workspace.put(given);
    kernels.addMarks(mask, workspace.put(marks), n);
    expect([...kernels.u8(mask, n)]).toEqual([...given].map((value, i) => value | (marks[i] as number)));
    workspace.finish();
  });
});
