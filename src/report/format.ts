/**
 * Numbers for people: the report page and the command line write them the same way.
 * @module
 */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const COUNT_UNITS = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** Divides `value` by 1000 until three digits are left before the point; the exponent says how often. */
function scaleByThousands(value: number, units: number): { scaled: number; exponent: number } {
  let scaled = value;
  let exponent = 0;
  // 999.5 would be printed as 1000.
  while (scaled >= 999.5 && exponent < units - 1) {
    scaled /= 1000;
    exponent++;
  }
  return { scaled, exponent };
}

function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** Bytes in decimal units, three significant digits: `1.46 GB`, `269 MB`, `512 B`. */
export function formatBytes(bytes: number): string {
  const { scaled, exponent } = scaleByThousands(bytes, BYTE_UNITS.length);
  return `${exponent === 0 ? scaled.toFixed(0) : threeDigits(scaled)} ${BYTE_UNITS[exponent]}`;
}

/** A large count in decimal units, three significant digits: `135 M`, `1.20 T`; `unit` is appended. */
export function formatScaled(count: number, unit = ''): string {
  const { scaled, exponent } = scaleByThousands(count, COUNT_UNITS.length);
  const number = exponent === 0 && Number.isInteger(scaled) ? scaled.toFixed(0) : threeDigits(scaled);
  return `${number} ${COUNT_UNITS[exponent]}${unit}`.trimEnd();
}

/** Made once, on first use: one for each of 100,000 counts takes seconds, and the first of all some ten milliseconds. */
let counts: Intl.NumberFormat | undefined;

/** An exact count with thousands separators: `134,515,008`. */
export function formatCount(count: number): string {
  counts ??= new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
  return counts.format(count);
}

/** A duration: `0.42 s`, `12.3 s`, `4 min 05 s`, `2 h 07 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** An estimate of the time left, in whole seconds: `29 s`, `4 min 05 s`. */
export function formatTimeLeft(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : formatSeconds(whole);
}

/** A fraction as a percentage: `0.5` → `50.00 %`. */
export function formatPercent(fraction: number, digits = 2): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

/** A fraction that was asked for as a percentage, with the digits that it has: `0.5` → `50 %`, `0.625` → `62.5 %`. */
export function formatExactPercent(fraction: number): string {
  // What a product with 100 is off by comes after the twelfth digit.
  return `${Number((fraction * 100).toPrecision(12))} %`;
}

/** `40.00 % – 50.00 %`, or one percentage where the two ends are written alike. */
export function formatPercentRange(low: number, high: number): string {
  const [from, to] = [formatPercent(low), formatPercent(high)];
  return from === to ? from : `${from} – ${to}`;
}

function perplexityDecimals(perplexity: number): number {
  return perplexity < 9.9995 ? 3 : perplexity < 99.995 ? 2 : perplexity < 999.95 ? 1 : 0;
}

/** A perplexity with four significant digits: `20.97`, `640.3`, `12,345`, `3.10e+8`. */
export function formatPerplexity(perplexity: number): string {
  if (perplexity >= 1e6) return perplexity.toExponential(2);
  const digits = perplexityDecimals(perplexity);
  return perplexity.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/**
 * A perplexity and its standard error with as many decimals as the perplexity: `20.97 ± 0.31`; the perplexity alone where there is
 * none.
 */
export function formatPerplexityWithError(perplexity: number, standardError: number | null): string {
  if (standardError === null) return formatPerplexity(perplexity);
  if (perplexity >= 1e6) return `${formatPerplexity(perplexity)} ± ${standardError.toExponential(2)}`;
  const digits = Math.max(perplexityDecimals(perplexity), standardError < 0.95 ? 2 : 0);
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${perplexity.toLocaleString('en-US', options)} ± ${standardError.toLocaleString('en-US', options)}`;
}

/** A factor: `×1.99`, `×93.4`. */
export function formatRatio(ratio: number): string {
  return ratio >= 99_950 ? `×${ratio.toExponential(2)}` : `×${threeDigits(ratio)}`;
}

/** A figure of any size such as a relative error or a loss, three significant digits: `0.0123`, `4.56e-5`. */
export function formatSmall(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-3 || size >= 1e5) return value.toExponential(2);
  return size >= 99.95 ? value.toFixed(0) : value.toPrecision(3);
}

/** `[out, in]` as `576 × 1536`. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join(' × ');
}

/** A date of ISO 8601 as `2026-05-04 12:30 UTC`. */
export function formatInstant(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** `1 block`, `30 blocks`. */
export function formatPlural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
