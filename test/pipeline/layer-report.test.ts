import { expect, it } from 'vitest';
import { blockSummary } from '../../src/pipeline/blocks/layer-report.js';
import type { LayerReport } from '../../src/report/report-schema.js';
import { sampleReport } from '../report/sample-report.js';

it('progress has the share of zeros of a block, and the mean error of the linears that were measured', () => {
  const [first, second, third] = sampleReport().layers as [LayerReport, LayerReport, LayerReport];
  const layers = [
    { ...first, numel: 300, zeros: 90, output_error: 0.25 },
    { ...second, numel: 100, zeros: 70, output_error: 0.125 },
    { ...third, numel: 400, zeros: 40, output_error: null },
  ];
  expect(blockSummary(layers)).toEqual({ sparsity: 200 / 800, outputError: (0.25 + 0.125) / 2 });
  expect(blockSummary(layers.slice(2))).toEqual({ sparsity: 0.1 });
  expect(blockSummary([])).toEqual({ sparsity: 0 });
});
