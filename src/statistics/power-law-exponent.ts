/**
 * The exponent of a power law fitted to the upper end of a spectrum (Lu et al. 2024, arXiv 2410.10912).
 * @module
 */

/** Where the tail begins: at the peak of the spectrum's histogram, or in its middle. */
export type TailStart = 'peak' | 'middle';

/** Tails that are no tails, as of a matrix whose eigenvalues are all equal, get an exponent no greater than this. */
const MOST = 1e6;

/** Bins of the histogram of log λ, as in the published code and in WeightWatcher. */
const BINS = 100;

/**
 * λ_min is looked for between so many times the peak. The published code takes log₁₀ of the lower bound and not of λ, so that
 * what it finds depends on the scale of the weights.
 */
const NEAR_PEAK = { least: 0.95, most: 1.5 };

/** Beside the largest eigenvalue, well above what rounding in f32 makes of a zero, some 1e-7. */
const RESOLUTION = 2 ** -20;

/**
 * Hill's estimate 1 + k / Σ ln(λ_i/λ_min) over the k eigenvalues from λ_min on (PL_Alpha_Hill). Smaller is heavier.
 * - `middle`: k is the larger half of them.
 * - `peak`: of the eigenvalues near the peak of the histogram of log λ, λ_min is the one from which the fitted law has the
 *   least Kolmogorov–Smirnov distance. What rounding leaves of zeros is no part of the spectrum.
 *
 * @param eigenvalues ascending, none negative
 * @returns above 1, at most 1e6
 */
export function powerLawExponent(eigenvalues: Float64Array, start: TailStart): number {
  const largest = eigenvalues.at(-1) ?? 0;
  if (largest === 0) return MOST;
  const exponent = start === 'peak' ? exponentFromPeak(eigenvalues) : exponentFromMiddle(eigenvalues);
  return Math.min(MOST, exponent);
}

function exponentFromMiddle(eigenvalues: Float64Array): number {
  // Where W has less than half of full rank, the tail begins with what rounding left.
  const floor = (eigenvalues.at(-1) as number) * 2 ** -52;
  const tail = eigenvalues.subarray(Math.floor(eigenvalues.length / 2));
  return hillEstimate(tail.map((value) => Math.log(Math.max(floor, value))));
}

function exponentFromPeak(eigenvalues: Float64Array): number {
  const largest = eigenvalues.at(-1) as number;
  const logs = eigenvalues.filter((value) => value > largest * RESOLUTION).map(Math.log);
  const peak = histogramPeak(logs);
  const [least, most] = [peak + Math.log(NEAR_PEAK.least), peak + Math.log(NEAR_PEAK.most)];
  // Without a candidate below the largest there is no tail.
  let best = { exponent: MOST, distance: Number.POSITIVE_INFINITY };
  for (const [index, value] of logs.entries()) {
    if (value < least || value === logs[index - 1]) continue;
    if (value > most || value === logs.at(-1)) break;
    const tail = logs.subarray(index);
    const exponent = hillEstimate(tail);
    const distance = distanceFromPowerLaw(tail, exponent);
    if (distance < best.distance) best = { exponent, distance };
  }
  return best.exponent;
}

/** @param logs ascending, not empty @returns the lower edge of the fullest bin, of the first where several are */
function histogramPeak(logs: Float64Array): number {
  const [least, most] = [logs[0] as number, logs.at(-1) as number];
  const counts = new Uint32Array(BINS);
  for (const value of logs) {
    // All in the first bin where all are equal.
    const bin = most > least ? Math.floor(((value - least) / (most - least)) * BINS) : 0;
    const index = Math.min(BINS - 1, bin);
    counts[index] = (counts[index] as number) + 1;
  }
  return least + (counts.indexOf(Math.max(...counts)) / BINS) * (most - least);
}

/** @param logs ln λ of the tail, ascending */
function hillEstimate(logs: Float64Array): number {
  const least = logs[0] as number;
  return 1 + logs.length / logs.reduce((sum, value) => sum + (value - least), 0);
}

/** Kolmogorov–Smirnov: how far the law's share below an eigenvalue of the tail is from that of the others, at most. */
function distanceFromPowerLaw(logs: Float64Array, exponent: number): number {
  const least = logs[0] as number;
  return logs.reduce(
    (most, value, index) =>
      Math.max(most, Math.abs(1 - Math.exp((1 - exponent) * (value - least)) - index / logs.length)),
    0,
  );
}
