/**
 * Worker task: from a Gram matrix to the factor that SparseGPT prunes with.
 * @module
 */
import { gemm } from '../runtime/gemm.js';
import type { Kernels } from '../runtime/kernels.js';
import { scratch } from '../runtime/scratch.js';
import { freshKernels } from '../runtime/worker-kernels.js';
import { gramStrips, type Strip } from '../statistics/gram-layout.js';
import type { GramRef } from '../statistics/group-statistics.js';
import { float32View } from '../system/native-memory.js';

export interface FactorArguments {
  readonly gram: GramRef;
  /** λ as a fraction of the mean of the Hessian's diagonal. */
  readonly damping: number;
  /** Strips of the result, over features in reversed order (`reversedStrips`). */
  readonly strips: readonly Strip[];
  /** Receives M = L⁻¹ in these strips. */
  readonly address: bigint;
}

export interface Factor {
  /** 1 where an input never was anything but zero. */
  readonly dead: Uint8Array;
  /** Feature whose pivot wasn't positive; the memory then holds nothing of use. */
  readonly failedAt?: number;
}

/**
 * With H = (2/tokens)·XᵀX, 1 on the diagonal of dead inputs, plus λ·I, and P the reversal of the features:
 * P·H·P = L·Lᵀ and M = L⁻¹, so that U = P·M·P is the upper factor UᵀU = H⁻¹ of Frantar & Alistarh 2023
 * (arXiv 2301.00774) without ever forming H⁻¹.
 */
export async function factorHessian(args: FactorArguments): Promise<Factor> {
  const { gram, strips } = args;
  const n = gram.size;
  const kernels = freshKernels();
  const dead = reverseHessian(args);
  const panels = strips.map((strip) => ({
    strip,
    data: float32View(args.address + BigInt(strip.offset * 4), strip.rows * strip.width),
  }));
  const inverses: Float32Array[] = [];
  for (const [k, panel] of panels.entries()) {
    for (const earlier of panels.slice(0, k)) await subtractOuter(panel, earlier);
    const { first, width, rows } = panel.strip;
    const inverse = invertDiagonal(kernels, panel.data, width);
    if (typeof inverse === 'number') return { dead, failedAt: n - 1 - (first + inverse) };
    inverses.push(inverse);
    if (rows > width) {
      const below = panel.data.subarray(width * width);
      const copy = scratch('panel', below.length);
      copy.set(below);
      const shape = { rows: rows - width, columns: width };
      await gemm(
        { data: copy, ...shape },
        { data: inverse, rows: width, columns: width },
        { data: below, ...shape },
        {
          transposeB: true,
        },
      );
    }
  }
  await invertInPlace(panels, inverses);
  return { dead };
}

interface Panel {
  readonly strip: Strip;
  readonly data: Float32Array;
}

/** panel −= (rows of an earlier panel of L from here on) · (its rows beside our diagonal block)ᵀ */
async function subtractOuter(panel: Panel, earlier: Panel): Promise<void> {
  const { first, width, rows } = panel.strip;
  const columns = earlier.strip.width;
  const start = (first - earlier.strip.first) * columns;
  const slab = earlier.data.subarray(start, start + rows * columns);
  await gemm(
    { data: slab, rows, columns },
    { data: slab.subarray(0, width * columns), rows: width, columns },
    { data: panel.data, rows, columns: width },
    { transposeB: true, alpha: -1, accumulate: true },
  );
}

/** Factors the diagonal block at the head of a panel in place and returns its inverse, or the column that failed. */
function invertDiagonal(kernels: Kernels, panel: Float32Array, width: number): Float32Array | number {
  kernels.arena.reset();
  const block = kernels.arena.allocate(width * width * 4);
  const inverse = kernels.arena.allocate(width * width * 4);
  kernels.f32(block, width * width).set(panel.subarray(0, width * width));
  const failed = kernels.choleskyBlock(block, width, width);
  if (failed >= 0) return failed;
  kernels.invertLower(block, inverse, width);
  panel.set(kernels.f32(block, width * width));
  return kernels.f32(inverse, width * width).slice();
}

/** L → L⁻¹, panel after panel: forward substitution of the identity, each panel needing only later ones. */
async function invertInPlace(panels: readonly Panel[], inverses: readonly Float32Array[]): Promise<void> {
  for (const [k, panel] of panels.entries()) {
    const { first, width, rows } = panel.strip;
    const result = scratch('inverse panel', rows * width).fill(0);
    for (let i = 0; i < width; i++) result[i * width + i] = 1;
    for (const [j, later] of panels.entries()) {
      if (j < k) continue;
      const inverse = inverses[j];
      if (!inverse) throw new Error('a diagonal block was not inverted');
      const size = later.strip.width;
      const start = (later.strip.first - first) * width;
      const own = result.subarray(start, start + size * width);
      const copy = scratch('inverse block', own.length);
      copy.set(own);
      await gemm(
        { data: inverse, rows: size, columns: size },
        { data: copy, rows: size, columns: width },
        { data: own, rows: size, columns: width },
      );
      const below = later.strip.rows - size;
      if (below > 0) {
        await gemm(
          { data: later.data.subarray(size * size), rows: below, columns: size },
          { data: own, rows: size, columns: width },
          { data: result.subarray(start + size * width), rows: below, columns: width },
          { alpha: -1, accumulate: true },
        );
      }
    }
    panel.data.set(result);
  }
}

/** Writes the lower half of P·H·P into the strips; returns the dead inputs. */
function reverseHessian({ gram, damping, strips, address }: FactorArguments): Uint8Array {
  const n = gram.size;
  const scale = 2 / gram.tokens;
  const source = gramStrips(n).map((strip) => ({
    strip,
    data: float32View(gram.address + BigInt(strip.offset * 4), strip.rows * strip.width),
  }));
  const dead = new Uint8Array(n);
  const diagonal = new Float64Array(n);
  let sum = 0;
  for (const { strip, data } of source) {
    for (let j = 0; j < strip.width; j++) {
      const value = (data[j * strip.width + j] as number) * scale;
      const feature = strip.first + j;
      dead[feature] = value === 0 ? 1 : 0;
      diagonal[feature] = value === 0 ? 1 : value;
      sum += diagonal[feature] as number;
    }
  }
  const lambda = (damping * sum) / n;
  for (const strip of strips) {
    const target = float32View(address + BigInt(strip.offset * 4), strip.rows * strip.width);
    for (let c = 0; c < strip.width; c++) {
      // Column first+c of the reversed matrix, downwards, is row i of the original, leftwards from its diagonal.
      const i = n - 1 - (strip.first + c);
      for (const { strip: from, data } of source) {
        if (from.first > i) break;
        const row = (i - from.first) * from.width - from.first;
        const last = Math.min(i, from.first + from.width - 1);
        for (let j = from.first; j <= last; j++) {
          target[(n - 1 - j - strip.first) * strip.width + c] = (data[row + j] as number) * scale;
        }
      }
      target[c * strip.width + c] = (diagonal[i] as number) + lambda;
    }
  }
  return dead;
}
