/**
 * A series as a table.
 * @module
 */

/** What still counts as flat: a peak over one further down the axis. */
const FLAT = 1.1;

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/**
 * `ratio`: the most that a peak grows by from any point to one after it. `flat`: by little. `as predicted`: by no more than
 * `secateur plan` says, so a formula explains it. `grows`: neither.
 */
export function growth(points) {
  const pairs = points.flatMap((after, index) => points.slice(0, index).map((before) => ({ before, after })));
  const ratio = Math.max(1, ...pairs.map(({ before, after }) => after.peakRss / before.peakRss));
  if (ratio <= FLAT) return { ratio, verdict: 'flat' };
  const isPredicted = pairs.every(
    ({ before, after }) =>
      after.peakRss <= FLAT * (before.peakRss + Math.max(0, after.predicted - before.predicted)),
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
  console.log(`grows ${ratio.toFixed(2)} times: ${verdict}`);
}
