/**
 * A series as a table.
 * @module
 */

/** What still counts as flat: greatest over least. */
const FLAT = 1.1;

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/**
 * Greatest over least peak, and the same with what `secateur plan` predicts of the growth taken off: that part is
 * explained by a formula.
 */
export function growth(points) {
  const ratio = (peaks) => Math.max(...peaks) / Math.min(...peaks);
  const least = Math.min(...points.map(({ predicted }) => predicted ?? 0));
  return {
    measured: ratio(points.map(({ peakRss }) => peakRss)),
    unexplained: points.some(({ predicted }) => predicted === null)
      ? null
      : ratio(points.map(({ peakRss, predicted }) => peakRss - (predicted - least))),
  };
}

export function printSeries({ axis, name, limit, copySeconds, points }) {
  const header = [axis, 'peak RSS', 'anonymous', 'file', 'plan said', 'seconds'];
  const rows = points.map(({ value, peakRss, peakAnonymous, peakFile, predicted, seconds }) => [
    String(value),
    megabytes(peakRss),
    megabytes(peakAnonymous),
    megabytes(peakFile),
    predicted === null ? '' : megabytes(predicted),
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
  const { measured, unexplained } = growth(points);
  const verdict = Math.min(measured, unexplained ?? measured) <= FLAT ? 'flat' : 'GROWS';
  const rest = unexplained === null ? '' : `, ${unexplained.toFixed(2)} without what plan predicts`;
  console.log(`greatest / least: ${measured.toFixed(2)}${rest}: ${verdict}`);
}
