/**
 * Results as a table of text.
 * @module
 */

const COLUMNS = ['part', 'time', 'limit', 'ratio', 'target', 'spread', 'CPU ratio', 'others', ''];

/** @param {import('../run-bench.mjs').Result[]} results */
export function renderTable(results) {
  const lines = [];
  for (const { name: part, about, rows } of results) {
    lines.push('', `${part}: ${about}`);
    const cells = [COLUMNS, ...rows.map(cellsOf)];
    const widths = COLUMNS.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
    for (const row of cells) {
      lines.push(
        `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')}`.trimEnd(),
      );
    }
  }
  return `${lines.slice(1).join('\n')}\n`;
}

function cellsOf(row) {
  return [
    row.name,
    seconds(row.seconds.median),
    seconds(row.limitSeconds.median),
    row.ratio.median.toFixed(2),
    row.target === null ? '' : `≤ ${row.target.toFixed(2)}`,
    `${(row.spread * 100).toFixed(0)} %`,
    row.processorRatio?.toFixed(2) ?? '',
    row.others === null ? '' : `${(row.others * 100).toFixed(0)} %`,
    { true: 'met', false: 'NOT MET', null: '' }[String(row.met)],
  ];
}

function seconds(value) {
  return value < 1 ? `${(value * 1000).toFixed(1)} ms` : `${value.toFixed(2)} s`;
}
