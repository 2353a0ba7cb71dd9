/** Putting data into the kernels' memory and taking results out, with guards behind every output. @module */
import { expect } from 'vitest';
import { type Kernels, loadKernels } from '../../src/runtime/kernels.js';

const GUARD_BYTES = 32;
const GUARD = 0xa5;

type Data =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/** One thread's kernels; every placed array is followed by bytes that no kernel may change. */
export class Workspace {
  readonly kernels: Kernels = loadKernels();
  #guards: number[] = [];

  /** Copies `data` in. */
  put(data: Data): number {
    const place = this.#room(data.byteLength);
    this.kernels
      .u8(place, data.byteLength)
      .set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return place;
  }

  /** Room for a result, filled with a byte that would show if it stayed. */
  out(bytes: number): number {
    const place = this.#room(bytes);
    this.kernels.u8(place, bytes).fill(0xcc);
    return place;
  }

  /** Fails when a kernel wrote behind an array; then forgets all of them. */
  finish(): void {
    for (const place of this.#guards) {
      expect(this.kernels.u8(place, GUARD_BYTES).every((byte) => byte === GUARD)).toBe(true);
    }
    this.#guards = [];
    this.kernels.arena.reset();
  }

  #room(bytes: number): number {
    const place = this.kernels.arena.allocate(bytes + GUARD_BYTES);
    this.kernels.u8(place + bytes, GUARD_BYTES).fill(GUARD);
    this.#guards.push(place + bytes);
    return place;
  }
}

/** The bits of f32 values, so that −0 and NaN compare as they are stored. */
export function bitsOf(values: Float32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** f32 values from their bits. */
export function fromBits(bits: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return new Float32Array(Uint32Array.from(bits).buffer);
}
