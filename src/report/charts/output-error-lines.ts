/**
 * Lines: relative output error of every kind of linear over the blocks, logarithmic.
 * @module
 */
import { formatPlural } from '../format.js';
import type { LayerGrid } from '../layer-grid.js';
import type { Chart } from './render-svg.js';
import { plainAxis, skippedLabels } from './render-svg.js';

/** Colours of lines, as the page's style defines them: `--line-0` … `--line-7`. */
export const LINE_COLOURS = 8;

/** Null when no layer has a positive output error: nothing was measured, or nothing was lost. */
export function outputErrorLines(grid: LayerGrid, layout: 'wide' | 'narrow'): Chart | null {
  const measured = grid.cells.filter((cell) => cell.outputError !== null && cell.outputError > 0);
  if (measured.length === 0) return null;
  const wide = layout === 'wide';
  const rows = grid.kinds.map((kind, row) => {
    const values: (number | null)[] = new Array(grid.blocks).fill(null);
    for (const cell of measured) if (cell.row === row) values[cell.block] = cell.outputError;
    return { kind, row, values };
  });
  const longest = grid.kinds.reduce((most, kind) => Math.max(most, kind.length), 0);
  return {
    width: wide ? 920 : 360,
    height: wide ? 380 : 340,
    label: `Relative output error of ${formatPlural(grid.kinds.length, 'kind')} of linear over the blocks, logarithmic`,
    option: {
      grid: { left: wide ? 64 : 52, right: Math.max(40, longest * 6.8 + 16), top: 12, bottom: 44 },
      xAxis: {
        ...plainAxis,
        type: 'category',
        boundaryGap: grid.blocks === 1,
        data: Array.from({ length: grid.blocks }, (_, block) => String(block)),
        axisLine: { show: true, onZero: false, lineStyle: { color: 'var(--line)' } },
        axisLabel: { ...plainAxis.axisLabel, interval: skippedLabels(grid.blocks, wide ? 40 : 12) },
        name: 'block',
        nameLocation: 'middle',
        nameGap: 26,
      },
      yAxis: {
        ...plainAxis,
        type: 'log',
        ...logRange(measured.map((cell) => cell.outputError as number)),
        splitLine: { show: true, lineStyle: { color: 'var(--line)' } },
        axisLabel: {
          ...plainAxis.axisLabel,
          formatter: (value: number) => String(Number(value.toPrecision(3))),
        },
      },
      series: rows
        .filter(({ values }) => values.some((value) => value !== null))
        .map(({ kind, row, values }) => {
          const color = `var(--line-${row % LINE_COLOURS})`;
          return {
            type: 'line',
            name: kind,
            data: values.map((value) => value ?? '-'),
            symbol: 'circle',
            symbolSize: grid.blocks > 40 ? 3 : 4,
            showAllSymbol: true,
            itemStyle: { color },
            lineStyle: { color, width: 1.75, type: row < LINE_COLOURS ? 'solid' : 'dashed' },
            emphasis: { disabled: true },
            endLabel: { show: true, formatter: kind, color, fontSize: 12, distance: 8, lineHeight: 16 },
            labelLayout: { moveOverlap: 'shiftY' },
          };
        }),
    },
  };
}

/** The values' range, widened to the next 1, 2 or 5 times a power of ten and to at least one power. */
function logRange(values: readonly number[]): { min: number; max: number } {
  const low = values.reduce((least, value) => Math.min(least, value));
  const high = values.reduce((most, value) => Math.max(most, value));
  const steps = (value: number) => [1, 2, 5, 10].map((digit) => digit * 10 ** Math.floor(Math.log10(value)));
  const min = steps(low).findLast((step) => step <= low) ?? low;
  const max = steps(high).find((step) => step >= high) ?? high;
  return max / min >= 10 ? { min, max } : { min: min / 2, max: Math.max(max, min * 5) };
}
