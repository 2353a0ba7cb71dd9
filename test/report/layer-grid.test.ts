import { describe, expect, it } from 'vitest';
import { layerGrid } from '../../src/report/layer-grid.js';
import { linearKind, shortKinds } from '../../src/report/linear-kind.js';
import type { LayerReport } from '../../src/report/report-schema.js';
import { sampleReport } from './sample-report.js';

describe('linearKind', () => {
  it.each([
    ['model.layers.3.mlp.up_proj.weight', 'mlp.up_proj'],
    ['model.layers.12.self_attn.q_proj', 'self_attn.q_proj'],
    ['model.layers.3.mlp.experts.17.w1.weight', 'mlp.experts.*.w1'],
    ['lm_head.weight', 'lm_head'],
    ['transformer.h.0', 'transformer.h.0'],
  ])('%s is %s', (name, kind) => expect(linearKind(name)).toBe(kind));

  it('shortens kinds only where that stays unambiguous', () => {
    const short = shortKinds(['self_attn.q_proj', 'self_attn.out_proj', 'cross_attn.out_proj']);
    expect([...short.values()]).toEqual(['q_proj', 'self_attn.out_proj', 'cross_attn.out_proj']);
  });
});

describe('layerGrid', () => {
  it('has a cell for each linear of each block', () => {
    const report = sampleReport({ blocks: 5 });
    const grid = layerGrid(report.layers);
    expect(grid.kinds).toEqual(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']);
    expect(grid.blocks).toBe(5);
    expect(new Set(grid.cells.map((cell) => `${cell.block}/${cell.row}`)).size).toBe(35);
  });

  it('adds up the experts of a block', () => {
    const base = sampleReport({ blocks: 1 }).layers[0] as LayerReport;
    const expert = (index: number, zeros: number, numel: number, output_error: number | null) => ({
      ...base,
      name: `model.layers.0.mlp.experts.${index}.w1`,
      zeros,
      numel,
      output_error,
    });
    const grid = layerGrid([expert(0, 10, 100, 0.2), expert(1, 90, 300, 0.4), expert(2, 0, 100, null)]);
    expect(grid.cells).toHaveLength(1);
    expect(grid.cells[0]).toMatchObject({ layers: 3, pruned: 3, sparsity: 0.2 });
    expect(grid.cells[0]?.outputError).toBeCloseTo(0.3, 12);
  });

  it('takes the sparsity of the layers that were pruned', () => {
    const base = sampleReport({ blocks: 1 }).layers[0] as LayerReport;
    const expert = (index: number, pattern: string, zeros: number) => {
      return { ...base, name: `model.layers.0.mlp.experts.${index}.w1`, pattern, zeros, numel: 100 };
    };
    const [some, none] = [
      [expert(0, '2:4', 50), expert(1, '1:4', 75), expert(2, 'dense', 10)],
      [expert(0, 'dense', 10), expert(1, 'dense', 20)],
    ].map((layers) => layerGrid(layers).cells);
    expect(some).toMatchObject([{ layers: 3, pruned: 2, sparsity: 0.625 }]);
    expect(none).toMatchObject([{ layers: 2, pruned: 0, sparsity: 0 }]);
  });

  it('is empty without layers', () => {
    expect(layerGrid([])).toEqual({ kinds: [], blocks: 0, cells: [] });
  });
});
