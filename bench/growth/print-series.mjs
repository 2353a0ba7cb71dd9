/**
 * A series as a table.
 * @module
 */

/** What still counts as flat: greatest over least. */
const FLAT = 1.1;

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/**
 * `flat`: the peaks lie close together. `as predicted`: each lies at most as far above the least one as `secateur plan`
 * says, so a formula explains the growth. `grows`: neither.
 */
export function growth(points) {
  const least = points.reduce((a, b) => (b.peakRss < a.peakRss ? b : a));
  const ratio = Math.max(...points.map(({ peakRss }) => peakRss)) / least.peakRss;
  if (ratio <= FLAT) return { ratio, verdict: 'flat' };
  const isPredicted = points.every(
    ({ peakRss, predicted }) => peakRss <= FLAT * (least.peakRss + Math.max(0, predicted - least.predicted)),
  );
  return { ratio, verdict: isPredicted ? 'as predicted' : 'GROWS' };
}

export function printSeries({ axis, name, limit, copySeconds, points }) {
  const header = [axis, 'peak RSS', 'anonymous', 'file', 'plan said', 'seconds'];
  const rows = points.map(({ value, peakRss, peakAnonymous, peakFile, predicted, seconds }) => [
    String(value),
    megabytes(peakRss),
    megabytes(peakAnonymous),
    megabytes(peakFile),
    megabytes(predicted),
    seconds.toFixed(0),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column].length)));
  console.log(`\n${name}`);
  for (const row of [header, ...rows])
    console.log(row.map((cell, column) => cell.padStart(widths[column])).join('  '));
  if (limit !== null) {
    const peak = Math.max(...points.map(({ peakRss }) => peakRss));
    console.log(`${megabytes(peak)} of ${megabytes(limit)}: ${peak < limit ? 'kept' : 'MISSED'}`);
    if (copySeconds !== null)
      console.log(
        `${(points[0].seconds / copySeconds).toFixed(2)} × cp and sync (${copySeconds.toFixed(0)} s)`,
      );
    return;
  }
  const { ratio, verdict } = growth(points);
  console.log(`greatest / least: ${ratio.toFixed(2)}, ${verdict}`);
}
