/**
 * The WebAssembly SIMD kernels, with types. A thread has one instance with a memory of its own; data is copied
 * in and out, and kernels work on places (byte offsets) in that memory. Elements count from there.
 * @module
 */
import { readFileSync } from 'node:fs';
import { packageRoot } from '../package-root.js';

/** `dist/kernels/kernels.wasm`, whether this module runs from `src/` or `dist/`. */
const MODULE_URL = new URL('dist/kernels/kernels.wasm', packageRoot);
const PAGE_BYTES = 65_536;
/** Bytes; what the system copies to or from the middle of one is slower, next to a page's start several times. */
const CACHE_LINE = 64;
const MAX_PAGES = 16_384;
const INITIAL_PAGES = 64;

/** The module's own functions; see the files of `kernels/`. */
interface Exports {
  heapBase(): number;
  absScores(weights: number, out: number, n: number): void;
  absoluteSums(weights: number, rowSums: number, columnSums: number, rows: number, cols: number): void;
  addMarks(mask: number, marks: number, n: number): void;
  addScaled(state: number, solved: number, scale: number, rows: number, cols: number): void;
  admmRight(
    state: number,
    target: number,
    mask: number,
    scale: number,
    out: number,
    rows: number,
    cols: number,
    kept: number,
    pruned: number,
    ratio: number,
  ): void;
  applyMask(weights: number, mask: number, n: number): void;
  applyMask16(weights: number, mask: number, n: number): void;
  bf16ToF32(source: number, target: number, n: number): number;
  choleskyBlock(a: number, n: number, stride: number, scratch: number): number;
  conjugateDirection(
    direction: number,
    residual: number,
    inverseDiagonal: number,
    n: number,
    ratio: number,
  ): void;
  conjugateStep(
    x: number,
    residual: number,
    direction: number,
    image: number,
    kept: number,
    inverseDiagonal: number,
    n: number,
    step: number,
  ): number;
  countGroupViolations16(values: number, rows: number, cols: number, n: number, m: number): number;
  countGroupViolations32(values: number, rows: number, cols: number, n: number, m: number): number;
  countZeros16(values: number, n: number): number;
  countZeros32(values: number, n: number): number;
  dot(a: number, b: number, n: number): number;
  f16ToF32(source: number, target: number, n: number): number;
  f32ToBf16(source: number, target: number, n: number): number;
  f32ToF16(source: number, target: number, n: number): number;
  f32ToFp8(source: number, scales: number, codes: number, n: number, first: number, width: number): number;
  f32ToMxfp4(source: number, scales: number, codes: number, groups: number): number;
  firstNonFinite(values: number, n: number): number;
  firstNonFinite16(values: number, n: number, exponent: number): number;
  fp8ToF32(codes: number, scales: number, target: number, n: number, first: number, width: number): void;
  gradientScores(
    weights: number,
    gradients: number,
    scale: number,
    factor: number,
    out: number,
    rows: number,
    cols: number,
  ): void;
  histogramHigh(scores: number, n: number, histogram: number): number;
  histogramLow(scores: number, n: number, high: number, histogram: number): void;
  isBf16(values: number, n: number): number;
  largestMagnitude(values: number, n: number): number;
  markZeros(values: number, n: number, marks: number): void;
  mxfp4ToF32(codes: number, scales: number, target: number, groups: number): void;
  rankMarkedFirst(scores: number, marks: number, n: number): void;
  invertLower(l: number, out: number, n: number, scratch: number): number;
  obsBlock(
    weights: number,
    u: number,
    mask: number,
    errors: number,
    loss: number,
    cols: number,
    lanes: number,
    n: number,
    m: number,
    packed: number,
    tile: number,
  ): void;
  obsScores(weights: number, inverseDiagonal: number, out: number, cols: number, lanes: number): void;
  relativeScores(
    weights: number,
    a: number,
    b: number,
    rowFactor: number,
    out: number,
    rows: number,
    cols: number,
  ): void;
  scaledAbsScores(weights: number, scale: number, out: number, rows: number, cols: number): void;
  selectNofM(scores: number, rows: number, cols: number, n: number, m: number, mask: number): void;
  selectSmallest(scores: number, n: number, k: number, mask: number): void;
  selectSmallestRows(scores: number, rows: number, cols: number, k: number, mask: number): void;
  solveJointly(
    weights: number,
    mask: number,
    gram: number,
    multipliers: number,
    losses: number,
    rows: number,
    cols: number,
    scratch: number,
  ): number;
  taylorScores(weights: number, mean: number, rms: number, out: number, n: number): void;
  thresholdMask(scores: number, n: number, threshold: number, ties: number, mask: number): number;
  transpose(source: number, target: number, rows: number, cols: number): void;
  tridiagonalise(a: number, n: number, d: number, e: number, work: number): void;
  upperGram(u: number, out: number, n: number): void;
  xxh64Begin(state: number): void;
  xxh64End(state: number, rest: number, total: number): number;
  xxh64Stripes(state: number, data: number, n: number): void;
}

/** Hands out places one after the other until it is reset. */
export class Arena {
  readonly #memory: WebAssembly.Memory;
  readonly #base: number;
  #top: number;

  constructor(memory: WebAssembly.Memory, base: number) {
    this.#memory = memory;
    this.#base = Math.ceil(base / CACHE_LINE) * CACHE_LINE;
    this.#top = this.#base;
  }

  /** Forgets every allocation. */
  reset(): void {
    this.#top = this.#base;
  }

  /**
   * Room for `bytes` from the start of a cache line, its content undefined. When the memory has to grow, views made before are
   * detached, so make views after all allocations.
   */
  allocate(bytes: number): number {
    const place = this.#top;
    const end = place + Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;
    const missing = Math.ceil((end - this.#memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) this.#memory.grow(missing);
    this.#top = end;
    return place;
  }

  /** Runs `use` with room that is free again afterwards. */
  borrow<T>(bytes: number, use: (place: number) => T): T {
    const before = this.#top;
    try {
      return use(this.allocate(bytes));
    } finally {
      this.#top = before;
    }
  }
}

export class Kernels {
  readonly arena: Arena;
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Exports;

  constructor(memory: WebAssembly.Memory, exports: Exports) {
    this.#memory = memory;
    this.#exports = exports;
    this.arena = new Arena(memory, exports.heapBase());
  }

  u8(place: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer, place, length);
  }

  u16(place: number, length: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.#memory.buffer, place, length);
  }

  u32(place: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#memory.buffer, place, length);
  }

  f32(place: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, place, length);
  }

  f64(place: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#memory.buffer, place, length);
  }

  /** Decodes n bfloat16. Returns the first index that isn't finite, or −1. */
  bf16ToF32(source: number, target: number, n: number): number {
    return this.#exports.bf16ToF32(source, target, n);
  }

  /** Decodes n IEEE half floats. Returns the first index that isn't finite, or −1. */
  f16ToF32(source: number, target: number, n: number): number {
    return this.#exports.f16ToF32(source, target, n);
  }

  /** Rounds n f32 to nearest even. Returns the first index whose result isn't finite, or −1. */
  f32ToBf16(source: number, target: number, n: number): number {
    return this.#exports.f32ToBf16(source, target, n);
  }

  /** Whether bfloat16 holds all of n f32 as they are. */
  isBf16(values: number, n: number): boolean {
    return this.#exports.isBf16(values, n) !== 0;
  }

  /** Rounds n f32 to nearest even; too large ones become ±Inf. Returns the first index whose result isn't finite, or −1. */
  f32ToF16(source: number, target: number, n: number): number {
    return this.#exports.f32ToF16(source, target, n);
  }

  /**
   * Decodes n FP8 codes (E4M3) of a row, from its column `first` on; every `width` columns have a scale of their own.
   *
   * @param scales f32, of the whole row
   */
  fp8ToF32(
    codes: number,
    scales: number,
    target: number,
    n: number,
    { first, width }: { readonly first: number; readonly width: number },
  ): void {
    this.#exports.fp8ToF32(codes, scales, target, n, first, width);
  }

  /**
   * The opposite of `fp8ToF32`, rounding to nearest even. Returns the first index that no code stands for, or −1.
   */
  f32ToFp8(
    source: number,
    scales: number,
    codes: number,
    n: number,
    { first, width }: { readonly first: number; readonly width: number },
  ): number {
    return this.#exports.f32ToFp8(source, scales, codes, n, first, width);
  }

  /** Decodes MXFP4: groups of 32 codes (E2M1) in 16 bytes, with one scale (E8M0) each. */
  mxfp4ToF32(codes: number, scales: number, target: number, groups: number): void {
    this.#exports.mxfp4ToF32(codes, scales, target, groups);
  }

  /** The opposite of `mxfp4ToF32`, rounding to nearest even. Returns the first index that no code stands for, or −1. */
  f32ToMxfp4(source: number, scales: number, codes: number, groups: number): number {
    return this.#exports.f32ToMxfp4(source, scales, codes, groups);
  }

  /** The largest |value| of n f32; NaN where one is. */
  largestMagnitude(values: number, n: number): number {
    return this.#exports.largestMagnitude(values, n);
  }

  /** First index of NaN or ±Inf among n f32, or −1. */
  firstNonFinite(values: number, n: number): number {
    return this.#exports.firstNonFinite(values, n);
  }

  /** `firstNonFinite` of n bfloat16, as stored. */
  firstNonFiniteBf16(values: number, n: number): number {
    return this.#exports.firstNonFinite16(values, n, 0x7f80);
  }

  /** `firstNonFinite` of n IEEE half floats, as stored. */
  firstNonFiniteF16(values: number, n: number): number {
    return this.#exports.firstNonFinite16(values, n, 0x7c00);
  }

  /** |w| of n f32. */
  absScores(weights: number, scores: number, n: number): void {
    this.#exports.absScores(weights, scores, n);
  }

  /** |w_ij| · scale_j for [rows, columns]; scale [columns]. */
  scaledAbsScores(weights: number, scale: number, scores: number, rows: number, columns: number): void {
    this.#exports.scaledAbsScores(weights, scale, scores, rows, columns);
  }

  /** |w_ij| · (a_j + factor_i · b_j) for [rows, columns]; a and b [columns], factor [rows]. */
  relativeScores(
    weights: number,
    a: number,
    b: number,
    factor: number,
    scores: number,
    rows: number,
    columns: number,
  ): void {
    this.#exports.relativeScores(weights, a, b, factor, scores, rows, columns);
  }

  /** |w_ij| · (scale_j + factor · |g_ij|) for [rows, columns]; scale [columns]. */
  gradientScores(
    weights: number,
    gradients: number,
    scale: number,
    factor: number,
    scores: number,
    rows: number,
    columns: number,
  ): void {
    this.#exports.gradientScores(weights, gradients, scale, factor, scores, rows, columns);
  }

  /** |w · mean − ½ · (w · rms)²| of n f32. */
  taylorScores(weights: number, mean: number, rms: number, scores: number, n: number): void {
    this.#exports.taylorScores(weights, mean, rms, scores, n);
  }

  /** Adds Σ|w| of every row to rowSums [rows] and of every column to columnSums [columns], both f64. */
  absoluteSums(weights: number, rowSums: number, columnSums: number, rows: number, columns: number): void {
    this.#exports.absoluteSums(weights, rowSums, columnSums, rows, columns);
  }

  /** (w_c · inverseDiagonal_c)² for a slab [columns, lanes]; inverseDiagonal [columns]. */
  obsScores(slab: number, inverseDiagonal: number, scores: number, columns: number, lanes: number): void {
    this.#exports.obsScores(slab, inverseDiagonal, scores, columns, lanes);
  }

  /** mask (bytes) = 1 on exactly the k smallest of n scores, 0 elsewhere; ties by index. Scores must be ≥ 0. */
  selectSmallest(scores: number, n: number, k: number, mask: number): void {
    this.#exports.selectSmallest(scores, n, k, mask);
  }

  /** `selectSmallest` in every row of [rows, columns]. */
  selectSmallestRows(scores: number, rows: number, columns: number, k: number, mask: number): void {
    this.#exports.selectSmallestRows(scores, rows, columns, k, mask);
  }

  /** mask = 1 on all but the `keep` largest of every `of` consecutive columns; of ties the lowest index goes. */
  selectNofM(scores: number, rows: number, columns: number, keep: number, of: number, mask: number): void {
    this.#exports.selectNofM(scores, rows, columns, keep, of, mask);
  }

  /**
   * Adds to histogram [65536] u32 how many scores have each value of the high 16 bits. Returns whether any score has
   * a 1 among its low 16 bits.
   */
  histogramHigh(scores: number, n: number, histogram: number): boolean {
    return this.#exports.histogramHigh(scores, n, histogram) !== 0;
  }

  /** Adds to histogram [65536] u32 the low 16 bits of the scores whose high 16 bits are `high`. */
  histogramLow(scores: number, n: number, high: number, histogram: number): void {
    this.#exports.histogramLow(scores, n, high, histogram);
  }

  /** mask = 1 on the scores whose bits are below the threshold and on the first `ties` equal to it; returns the ties taken. */
  thresholdMask(scores: number, n: number, thresholdBits: number, ties: number, mask: number): number {
    return this.#exports.thresholdMask(scores, n, thresholdBits, ties, mask);
  }

  /** Exact +0.0 where mask is 1. */
  applyMask(weights: number, mask: number, n: number): void {
    this.#exports.applyMask(weights, mask, n);
  }

  /** `applyMask` on 16-bit storage. */
  applyMask16(weights: number, mask: number, n: number): void {
    this.#exports.applyMask16(weights, mask, n);
  }

  /** marks (bytes) = 1 where one of n f32 is ±0, 0 elsewhere. */
  markZeros(values: number, n: number, marks: number): void {
    this.#exports.markZeros(values, n, marks);
  }

  /**
   * Makes n scores +0.0 where marked and at least the smallest number above it elsewhere, so that selections by the
   * smallest scores take what is marked first. Scores must be ≥ 0.
   */
  rankMarkedFirst(scores: number, marks: number, n: number): void {
    this.#exports.rankMarkedFirst(scores, marks, n);
  }

  /** mask = 1 where marked, on n bytes. */
  addMarks(mask: number, marks: number, n: number): void {
    this.#exports.addMarks(mask, marks, n);
  }

  /** How many of n f32 are ±0. */
  countZeros32(values: number, n: number): number {
    return this.#exports.countZeros32(values, n);
  }

  /** How many of n bf16 or f16 are ±0. */
  countZeros16(values: number, n: number): number {
    return this.#exports.countZeros16(values, n);
  }

  /** Groups of `of` consecutive f32 columns with more than `keep` non-zeros. */
  countGroupViolations32(values: number, rows: number, columns: number, keep: number, of: number): number {
    return this.#exports.countGroupViolations32(values, rows, columns, keep, of);
  }

  /** `countGroupViolations32` on bf16 or f16. */
  countGroupViolations16(values: number, rows: number, columns: number, keep: number, of: number): number {
    return this.#exports.countGroupViolations16(values, rows, columns, keep, of);
  }

  /** [rows, columns] f32 → [columns, rows] */
  transpose(source: number, target: number, rows: number, columns: number): void {
    this.#exports.transpose(source, target, rows, columns);
  }

  /**
   * Before the product of an ADMM step on [rows, columns] (Boža 2024, arXiv 2401.02938): `out` becomes
   * target + scale_j · state · kept where the mask (bytes) is 0 and · pruned where it is 1, and `state` becomes
   * state · mask · ratio. scale [columns].
   */
  admmRight(
    state: number,
    target: number,
    mask: number,
    scale: number,
    out: number,
    rows: number,
    columns: number,
    factors: { readonly kept: number; readonly pruned: number; readonly ratio: number },
  ): void {
    const { kept, pruned, ratio } = factors;
    this.#exports.admmRight(state, target, mask, scale, out, rows, columns, kept, pruned, ratio);
  }

  /** state_ij += solved_ij · scale_j for [rows, columns]; scale [columns]. */
  addScaled(state: number, solved: number, scale: number, rows: number, columns: number): void {
    this.#exports.addScaled(state, solved, scale, rows, columns);
  }

  /**
   * A step of conjugate gradients over n f32: x += step · direction, residual = (residual − step · image) · kept.
   * Returns Σ residual² · inverseDiagonal, in f64.
   */
  conjugateStep(
    places: {
      readonly x: number;
      readonly residual: number;
      readonly direction: number;
      readonly image: number;
      readonly kept: number;
      readonly inverseDiagonal: number;
    },
    n: number,
    step: number,
  ): number {
    const { x, residual, direction, image, kept, inverseDiagonal } = places;
    return this.#exports.conjugateStep(x, residual, direction, image, kept, inverseDiagonal, n, step);
  }

  /** direction = residual · inverseDiagonal + ratio · direction over n f32. */
  conjugateDirection(
    direction: number,
    residual: number,
    inverseDiagonal: number,
    n: number,
    ratio: number,
  ): void {
    this.#exports.conjugateDirection(direction, residual, inverseDiagonal, n, ratio);
  }

  /** Σ a·b over n f32, in f64. */
  dot(a: number, b: number, n: number): number {
    return this.#exports.dot(a, b, n);
  }

  /**
   * One column block of SparseGPT with a given mask (Frantar & Alistarh 2023, arXiv 2301.00774, algorithm 1):
   * column by column, err_j = (w_j − q_j)/U_jj and w_i −= err_j·U_ji for i > j, where q_j is 0 if masked.
   *
   * @param slab f32 [columns, lanes], one lane an output neuron; returns pruned, +0.0 where masked
   * @param factor f32 [columns, columns], the diagonal block of U
   * @param mask bytes [columns, lanes]
   * @param errors f32 [columns, lanes], written
   * @param losses f64 [lanes], ½·Σ err² is added
   */
  obsBlockMasked(
    slab: number,
    factor: number,
    mask: number,
    errors: number,
    losses: number,
    columns: number,
    lanes: number,
  ): void {
    this.#obsBlock(slab, factor, mask, errors, losses, columns, lanes, 0, 0);
  }

  /**
   * Like `obsBlockMasked`, with the mask of every `of` columns chosen at the first of them by w²/U_jj²: what is 1 in it
   * stays so and counts, and what is missing is added.
   */
  obsBlockNofM(
    slab: number,
    factor: number,
    errors: number,
    losses: number,
    mask: number,
    columns: number,
    lanes: number,
    keep: number,
    of: number,
  ): void {
    this.#obsBlock(slab, factor, mask, errors, losses, columns, lanes, keep, of);
  }

  /**
   * Lower Cholesky factor of an [n, n] f32 block with rows `stride` elements apart, in place, computed in f64;
   * the upper triangle becomes 0. Returns −1, or the first column whose pivot isn't positive.
   */
  choleskyBlock(block: number, n: number, stride: number): number {
    return this.arena.borrow(n * n * 8, (scratch) => this.#exports.choleskyBlock(block, n, stride, scratch));
  }

  /** Inverse of a lower triangular [n, n], computed in f64. Returns −1, or the first column whose diagonal isn't positive. */
  invertLower(lower: number, inverse: number, n: number): number {
    return this.arena.borrow(n * n * 8, (scratch) => this.#exports.invertLower(lower, inverse, n, scratch));
  }

  /** UᵀU of an upper triangular f32 [n, n], as a full f64 [n, n]. */
  upperGram(upper: number, gram: number, n: number): void {
    this.#exports.upperGram(upper, gram, n);
  }

  /**
   * The multipliers with which the marked weights of a row are removed together (Ilin & Richtárik 2025, arXiv 2504.05346):
   * with S the marked columns, G[S, S]·λ[S] = w[S], and λ is 0 elsewhere. Everything between is f64.
   *
   * @param weights f32 [rows, columns]
   * @param mask bytes [rows, columns]
   * @param gram G, f64 [columns, columns]
   * @param multipliers λ, f32 [rows, columns], written
   * @param losses f64 [rows], ½·λ·w is added
   * @returns −1, or the first row at which G[S, S] isn't positive definite
   */
  solveJointly(
    weights: number,
    mask: number,
    gram: number,
    multipliers: number,
    losses: number,
    rows: number,
    columns: number,
  ): number {
    return this.arena.borrow(columns * (columns + 4) * 8, (scratch) =>
      this.#exports.solveJointly(weights, mask, gram, multipliers, losses, rows, columns, scratch),
    );
  }

  /**
   * Householder's reduction of a symmetric [n, n] f64 matrix, the rows of its lower triangle one after another, which is
   * destroyed. diagonal [n] and offDiagonal [n], from its second element on, have the same eigenvalues.
   */
  tridiagonalise(lower: number, n: number, diagonal: number, offDiagonal: number): void {
    this.arena.borrow(4 * n * 8, (work) =>
      this.#exports.tridiagonalise(lower, n, diagonal, offDiagonal, work),
    );
  }

  /** Puts the 32 bytes of an XXH64 with seed 0 at `state`. */
  xxh64Begin(state: number): void {
    this.#exports.xxh64Begin(state);
  }

  /** Adds `n` stripes of 32 bytes to it. */
  xxh64Stripes(state: number, data: number, n: number): void {
    this.#exports.xxh64Stripes(state, data, n);
  }

  /** Its low 32 bits after `total` bytes, of which the last, fewer than a stripe, are at `rest`. */
  xxh64End(state: number, rest: number, total: number): number {
    return this.#exports.xxh64End(state, rest, total) >>> 0;
  }

  #obsBlock(
    slab: number,
    factor: number,
    mask: number,
    errors: number,
    losses: number,
    columns: number,
    lanes: number,
    keep: number,
    of: number,
  ): void {
    const group = of > 2 ? of : 4;
    const packedBytes = Math.ceil(columns / group) * Math.ceil(group / 4) * 16 * columns;
    const tileBytes = columns * 144 + 256;
    this.arena.borrow(packedBytes + 16 + tileBytes, (packed) => {
      const tile = packed + Math.ceil(packedBytes / 16) * 16;
      this.#exports.obsBlock(slab, factor, mask, errors, losses, columns, lanes, keep, of, packed, tile);
    });
  }
}

let compiled: WebAssembly.Module | undefined;

/** A new instance with its own memory. */
export function loadKernels(): Kernels {
  compiled ??= new WebAssembly.Module(readFileSync(MODULE_URL));
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAX_PAGES });
  const instance = new WebAssembly.Instance(compiled, {
    env: {
      memory,
      abort: () => {
        throw new Error('a kernel aborted');
      },
    },
  });
  return new Kernels(memory, instance.exports as unknown as Exports);
}
