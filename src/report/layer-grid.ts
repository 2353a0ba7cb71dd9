/**
 * A report's layers as a grid of kinds of linear by blocks: what the charts are drawn from.
 * @module
 */
import { groupBy } from '../group-by.js';
import { linearKind, shortKinds } from './linear-kind.js';
import type { LayerReport } from './report-schema.js';
import { prunedLayers } from './run-summary.js';

/** The linears of one kind in one block; more than one where a block holds experts. */
export interface LayerCell {
  readonly block: number;
  /** Row of the grid: index into `LayerGrid.kinds`. */
  readonly row: number;
  readonly layers: number;
  /** Of these, the ones that were pruned. */
  readonly pruned: number;
  /** Zeros over weights of the pruned layers; 0 where there are none. */
  readonly sparsity: number;
  /** Mean of the layers' relative output errors; null when none has one. */
  readonly outputError: number | null;
}

/** `cells` in order of the layers; a block without a kind simply has no cell there. */
export interface LayerGrid {
  /** Short names of the kinds of linear, in the order in which the model has them. */
  readonly kinds: readonly string[];
  readonly blocks: number;
  readonly cells: readonly LayerCell[];
}

/** The same for layers that share a cell. */
export function layerCellKey({ name, block }: Pick<LayerReport, 'name' | 'block'>): string {
  return `${block} ${linearKind(name)}`;
}

/** Groups layers by block and kind. */
export function layerGrid(layers: readonly LayerReport[]): LayerGrid {
  const fullKinds = [...new Set(layers.map((layer) => linearKind(layer.name)))];
  const rows = new Map(fullKinds.map((kind, row) => [kind, row]));
  const cells = [...groupBy(layers, layerCellKey).values()].map((group): LayerCell => {
    const first = group[0] as LayerReport;
    const errors = group.flatMap((layer) => (layer.output_error === null ? [] : [layer.output_error]));
    const pruned = prunedLayers(group);
    const numel = pruned.reduce((sum, layer) => sum + layer.numel, 0);
    return {
      block: first.block,
      row: rows.get(linearKind(first.name)) as number,
      layers: group.length,
      pruned: pruned.length,
      sparsity: numel === 0 ? 0 : pruned.reduce((sum, layer) => sum + layer.zeros, 0) / numel,
      outputError: errors.length === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / errors.length,
    };
  });
  const short = shortKinds(fullKinds);
  return {
    kinds: fullKinds.map((kind) => short.get(kind) as string),
    blocks: layers.reduce((most, layer) => Math.max(most, layer.block + 1), 0),
    cells,
  };
}
