/**
 * Heat map: sparsity of every linear, kinds by blocks.
 * @module
 */
import { formatCount, formatPercent, formatPlural } from '../format.js';
import type { LayerCell, LayerGrid } from '../layer-grid.js';
import type { Chart } from './render-svg.js';
import { plainAxis, skippedLabels } from './render-svg.js';

/** Steps of the colour ramp, as the page's style defines them: `--ramp-0` … `--ramp-15`. */
export const RAMP_STEPS = 16;

/** Narrowest range that the ramp spans, so that rounding differences don't look like contrasts. */
const LEAST_RANGE = 0.2;

/** The sparsities that the ends of the colour ramp stand for. */
export function sparsityRange(cells: readonly LayerCell[]): readonly [number, number] {
  const pruned = cells.filter((cell) => cell.pruned > 0).map((cell) => cell.sparsity);
  if (pruned.length === 0) return [0, 1];
  const low = pruned.reduce((least, value) => Math.min(least, value), 1);
  const high = pruned.reduce((most, value) => Math.max(most, value), 0);
  if (high - low >= LEAST_RANGE) return [low, high];
  const start = Math.min(Math.max((low + high - LEAST_RANGE) / 2, 0), 1 - LEAST_RANGE);
  return [start, start + LEAST_RANGE];
}

/** Blocks run to the right; in `narrow` form downwards, so that 80 of them stay legible on a phone. */
export function sparsityMap(grid: LayerGrid, layout: 'wide' | 'narrow'): Chart {
  const [low, high] = sparsityRange(grid.cells);
  const step = (cell: LayerCell) =>
    cell.pruned === 0
      ? -1
      : Math.min(Math.floor(((cell.sparsity - low) / (high - low)) * RAMP_STEPS), RAMP_STEPS - 1);
  const wide = layout === 'wide';
  const pieces = Array.from({ length: RAMP_STEPS }, (_, i) => ({ value: i, color: `var(--ramp-${i})` }));
  const longest = grid.kinds.reduce((most, kind) => Math.max(most, kind.length), 0);
  const kindsAxis = { ...plainAxis, type: 'category', data: grid.kinds };
  const blocksAxis = {
    ...plainAxis,
    type: 'category',
    data: Array.from({ length: grid.blocks }, (_, block) => String(block)),
    axisLabel: { ...plainAxis.axisLabel, interval: skippedLabels(grid.blocks, 40) },
    ...(wide ? { name: 'block', nameLocation: 'middle', nameGap: 26 } : {}),
  };
  const left = wide ? Math.max(64, longest * 7.2 + 14) : 40;
  const size = wide
    ? { width: 920, height: grid.kinds.length * 26 + 52 }
    : { width: 360, height: grid.blocks * (grid.blocks > 40 ? 9 : 14) + Math.max(56, longest * 6.2 + 12) };
  // One block must not become one bar across the page.
  const right = wide ? Math.max(4, 920 - left - grid.blocks * 56) : 4;
  return {
    ...size,
    label: `Sparsity of ${formatPlural(grid.kinds.length, 'kind')} of linear in ${formatPlural(grid.blocks, 'block')}`,
    titles: grid.cells.map((cell) => `block ${cell.block} · ${grid.kinds[cell.row]}: ${cellWords(cell)}`),
    option: {
      grid: wide
        ? { left, right, top: 4, bottom: 48 }
        : { left, right, top: Math.max(52, longest * 6.2 + 8), bottom: 4 },
      xAxis: wide
        ? blocksAxis
        : { ...kindsAxis, position: 'top', axisLabel: { ...plainAxis.axisLabel, rotate: 60, interval: 0 } },
      yAxis: {
        ...(wide ? { ...kindsAxis, axisLabel: { ...plainAxis.axisLabel, interval: 0 } } : blocksAxis),
        inverse: true,
      },
      visualMap: {
        type: 'piecewise',
        show: false,
        dimension: 2,
        pieces: [{ value: -1, color: 'var(--dense)' }, ...pieces],
      },
      series: [
        {
          type: 'heatmap',
          data: grid.cells.map((cell) =>
            wide ? [cell.block, cell.row, step(cell)] : [cell.row, cell.block, step(cell)],
          ),
          itemStyle: { borderColor: 'var(--paper)', borderWidth: grid.blocks > 40 ? 1 : 2, borderRadius: 2 },
          emphasis: { disabled: true },
        },
      ],
    },
  };
}

function cellWords({ layers, pruned, sparsity }: LayerCell): string {
  const dense = layers - pruned;
  const kept = layers > 1 ? `${formatCount(dense)} kept dense` : 'kept dense';
  if (pruned === 0) return kept;
  const mean = layers > 1 ? `, mean of ${formatCount(pruned)}` : '';
  return `${formatPercent(sparsity)}${mean}${dense > 0 ? `, ${kept}` : ''}`;
}
