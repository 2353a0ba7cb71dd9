/**
 * Aligned tables for terminals.
 * @module
 */

export interface Column {
  readonly title: string;
  /** Numbers go to the right. */
  readonly align?: 'left' | 'right';
}

/** Lines of a table, indented by two: a header, then the rows; columns as wide as their widest cell. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return grid([columns.map((column) => column.title), ...rows], columns);
}

/** Lines of names and values, indented by two, values in one column. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string {
  return grid(rows, [{ title: '' }, { title: '' }]);
}

function grid(rows: readonly (readonly string[])[], columns: readonly Column[]): string {
  const widths = columns.map((_, i) => rows.reduce((most, row) => Math.max(most, (row[i] ?? '').length), 0));
  return rows
    .map((row) => {
      const cells = columns.map(({ align }, i) => {
        const cell = row[i] ?? '';
        const width = widths[i] as number;
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      });
      return `  ${cells.join('   ')}`.trimEnd();
    })
    .join('\n');
}
