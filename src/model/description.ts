/**
 * What a family says about a model: its blocks, their linears and input groups, and the forward computation
 * written in graph operators. Everything that streams, prunes or evaluates works from this alone.
 * @module
 */
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Value } from '../graph/value.js';

/** A tensor that the checkpoint must hold, by its full name. */
export interface TensorDescription {
  readonly name: string;
  readonly shape: readonly number[];
}

/** One prunable matrix of a block. */
export interface LinearDescription {
  /** Within the block, without `.weight`: `self_attn.q_proj`. */
  readonly name: string;
  /** Output neurons (rows). */
  readonly out: number;
  /** Inputs (columns). */
  readonly in: number;
  /** Linears of a group read the same activation and share its statistics. */
  readonly inputGroup: string;
}

/** Weights of linears together. */
export function weightCount(linears: readonly LinearDescription[]): number {
  return linears.reduce((sum, linear) => sum + linear.out * linear.in, 0);
}

/** What the forward of a block may use; the graph compilers implement it. */
export interface BlockScope {
  readonly graph: GraphBuilder;
  /** A tensor of the block by its name within the block: `input_layernorm.weight`. */
  weight(name: string): Value;
  /** Applies a prunable linear (with its bias if the description has one) to x [tokens, in]. */
  linear(name: string, x: Value): Value;
}

export interface BlockDescription {
  /** Prepended to every name of the block: `model.layers.3.` */
  readonly prefix: string;
  /** Features of the hidden state that goes in and comes out. */
  readonly hiddenSize: number;
  /** Every tensor of the block, names within the block. */
  readonly tensors: readonly TensorDescription[];
  readonly linears: readonly LinearDescription[];
  /** Blocks with the same key have the same shapes and forward, so they share compiled graphs. */
  readonly graphKey: string;
  /** hidden [tokens, hidden size] → hidden of the same shape. */
  forward(scope: BlockScope, hidden: Value): Value;
}

export interface ModelDescription {
  /** `model_type` of the config. */
  readonly family: string;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  /** Longest sequence the model was made for. */
  readonly maxSequenceLength: number;
  readonly blocks: readonly BlockDescription[];
  /** [vocabulary, hidden] */
  readonly embedding: TensorDescription;
  /** [vocabulary, hidden]; the embedding itself when tied. */
  readonly head: TensorDescription;
  /** Tensors outside the blocks that the final normalisation needs. */
  readonly finalTensors: readonly TensorDescription[];
  /** What happens between the last block and the head; `weight` takes full names. */
  finalNorm(graph: GraphBuilder, weight: (name: string) => Value, hidden: Value): Value;
}

/** Full name of a linear's weight in the checkpoint. */
export function weightName(block: BlockDescription, linear: LinearDescription): string {
  return `${block.prefix}${linear.name}.weight`;
}

/** The input groups of a block in order of first use, with their input sizes. */
export function inputGroups(
  block: BlockDescription,
): { name: string; size: number; linears: LinearDescription[] }[] {
  const groups = new Map<string, { name: string; size: number; linears: LinearDescription[] }>();
  for (const linear of block.linears) {
    const group = groups.get(linear.inputGroup) ?? { name: linear.inputGroup, size: linear.in, linears: [] };
    group.linears.push(linear);
    groups.set(linear.inputGroup, group);
  }
  return [...groups.values()];
}
