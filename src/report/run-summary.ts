/**
 * A run in a few words: what model, how pruned, how sparse.
 * @module
 */
import { basename } from 'node:path';
import { isHubName } from '../config/resolve-model.js';
import type { LayerReport, Report } from './report-schema.js';

/** Last part of the model's path or its name on the hub. */
export function modelName(report: Report): string {
  const configured = report.run.config.model;
  const name = typeof configured === 'string' ? configured : report.run.source.path;
  return basename(isHubName(name) ? name.replace(/@.*/, '') : name) || name;
}

/** Layers that the run pruned, as opposed to those that a rule kept dense. */
export function prunedLayers(layers: readonly LayerReport[]): LayerReport[] {
  return layers.filter((layer) => layer.pattern !== 'dense');
}

/** Zeros that linears had which the run kept dense. */
export function keptZeros(layers: readonly LayerReport[]): number {
  return layers.reduce((sum, { pattern, zeros }) => sum + (pattern === 'dense' ? zeros : 0), 0);
}

/** The distinct values of one property of the pruned layers, most frequent first: `sparsegpt`, `2:4, 4:8`. */
export function distinct(layers: readonly LayerReport[], key: 'method' | 'pattern'): string {
  const counts = new Map<string, number>();
  for (const layer of prunedLayers(layers)) counts.set(layer[key], (counts.get(layer[key]) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([value]) => value)
    .join(', ');
}

/** The fraction of the weights in the prunable linears that the run was asked to remove. */
export function targetSparsity(layers: readonly LayerReport[]): number {
  const numel = layers.reduce((sum, layer) => sum + layer.numel, 0);
  return numel === 0 ? 0 : layers.reduce((sum, layer) => sum + layer.target * layer.numel, 0) / numel;
}
