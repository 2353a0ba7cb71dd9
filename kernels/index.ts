/**
 * The entry of the WebAssembly module. Every kernel works on pointers into the imported memory; the typed
 * side, with shapes and units, is `src/runtime/kernels.ts`.
 * @module
 */

export { absScores } from './abs-scores';
export { absoluteSums } from './absolute-sums';
export { addScaled, admmRight } from './admm-step';
export { applyMask, applyMask16 } from './apply-mask';
export { bf16ToF32 } from './bf16-to-f32';
export { choleskyBlock } from './cholesky-block';
export { conjugateDirection, conjugateStep } from './conjugate-gradients';
export { countGroupViolations16, countGroupViolations32 } from './count-group-violations';
export { countZeros16, countZeros32 } from './count-zeros';
export { dot } from './dot';
export { addMarks, markZeros, rankMarkedFirst } from './existing-zeros';
export { f16ToF32 } from './f16-to-f32';
export { f32ToBf16, isBf16 } from './f32-to-bf16';
export { f32ToF16 } from './f32-to-f16';
export { f32ToFp8 } from './f32-to-fp8';
export { f32ToMxfp4 } from './f32-to-mxfp4';
export { firstNonFinite, firstNonFinite16 } from './first-non-finite';
export { fp8ToF32 } from './fp8-to-f32';
export { gradientScores } from './gradient-scores';
export { histogramHigh, histogramLow } from './histogram';
export { invertLower } from './invert-lower';
export { largestMagnitude } from './largest-magnitude';
export { mxfp4ToF32 } from './mxfp4-to-f32';
export { obsBlock } from './obs-block';
export { obsScores } from './obs-scores';
export { relativeScores } from './relative-scores';
export { scaledAbsScores } from './scaled-abs-scores';
export { selectNofM } from './select-n-of-m';
export { selectSmallest, selectSmallestRows } from './select-smallest';
export { solveJointly, upperGram } from './solve-jointly';
export { taylorScores } from './taylor-scores';
export { thresholdMask } from './threshold-mask';
export { transpose } from './transpose';
export { tridiagonalise } from './tridiagonalise';
export { xxh64Begin, xxh64End, xxh64Stripes } from './xxh64';

/** The first byte that no static data occupies; the host lays its scratch and arena out from here. */
export function heapBase(): usize {
  return __heap_base;
}
