/**
 * What a family says about a model: its blocks, their linears and input groups, and the forward computation
 * written in graph operators. Everything that streams, prunes or evaluates works from this alone.
 * @module
 */
import type { GraphBuilder } from '../graph/graph-builder.js';
import type { Value } from '../graph/value.js';

/**
 * A matrix as part of a stored tensor: element (r, c) lies at
 * offset + ⌊r / run⌋·runStride + (r mod run)·rowStride + c·columnStride elements.
 */
export interface Placement {
  /** The stored tensor, named as what is described. */
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly run: number;
  readonly runStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** A tensor that the forward needs. */
export interface TensorDescription {
  readonly name: string;
  readonly shape: readonly number[];
  /** Where it lies when the checkpoint has no tensor of this name and shape. */
  readonly stored?: Placement | undefined;
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

/** What a computation may use; the graph compilers implement it. */
export interface WeightScope {
  readonly graph: GraphBuilder;
  /** A described tensor by its name: within a block `input_layernorm.weight`, outside `model.norm.weight`. */
  weight(name: string): Value;
}

/** What the forward of a block may use. */
export interface BlockScope extends WeightScope {
  /**
   * Says what the block's experts read [tokens, features], and the weight [tokens, experts] of what each of them gives for a
   * token, 0 where the token doesn't go to it. What they give is added to the block's output.
   */
  route(input: Value, weights: Value): void;
  /** Applies a prunable linear (with its bias if the description has one) to x [tokens, in]. */
  linear(name: string, x: Value): Value;
}

export interface BlockDescription {
  /** Prepended to every name of the block: `model.layers.3.` */
  readonly prefix: string;
  /** Prepended to the names of stored tensors that hold parts, where that is something else. */
  readonly wholePrefix?: string | undefined;
  /** Features of the hidden state that goes in and comes out. */
  readonly hiddenSize: number;
  /** Every tensor of the block, names within the block. */
  readonly tensors: readonly TensorDescription[];
  readonly linears: readonly LinearDescription[];
  /** Blocks with the same key have the same shapes and forward, so they share compiled graphs. */
  readonly graphKey: string;
  /** hidden [tokens, hidden size] → hidden of the same shape. */
  forward(scope: BlockScope, hidden: Value): Value;
  /** Networks of which each token goes through a few; the forward says which. */
  readonly experts?: Experts | undefined;
}

/** The experts of a block. Each is in memory by itself. */
export interface Experts {
  /** How many of them a token goes to. */
  readonly perToken: number;
  /**
   * By index. Each takes rows of what the experts read with the token's weight as one more feature, and gives what it adds
   * to the block's output with the weight as it was. A row whose weight is 0 is no token: what it gives isn't used, and what
   * linears read of it has to be 0.
   */
  readonly units: readonly BlockDescription[];
}

/** What is in memory at a time of a block: all but the experts, and each of them. */
export function unitsOf(block: BlockDescription): readonly BlockDescription[] {
  return [block, ...(block.experts?.units ?? [])];
}

/** What is computed outside the blocks. */
export interface Stage {
  /** By full names. */
  readonly tensors: readonly TensorDescription[];
  /** Features of what it gives. */
  readonly features: number;
  /** [tokens, features that come in] → [tokens, features] */
  forward(scope: WeightScope, x: Value): Value;
}

export interface ModelDescription {
  /** `model_type` of the config. */
  readonly family: string;
  readonly hiddenSize: number;
  readonly vocabularySize: number;
  /** Longest sequence the model was made for. */
  readonly maxSequenceLength: number;
  /** Whether it predicts nothing sensible of a text that doesn't begin with BOS. */
  readonly beginsWithBos?: boolean | undefined;
  readonly blocks: readonly BlockDescription[];
  /** [vocabulary, features] */
  readonly embedding: TensorDescription;
  /** Between the embeddings and the first block, where there is more than the rows of the embedding. */
  readonly opening?: Stage | undefined;
  /** Between the last block and the head. */
  readonly closing: Stage;
  /** [vocabulary, features of `closing`]; the embedding itself when tied. */
  readonly head: TensorDescription;
  /** [vocabulary], added to the logits. */
  readonly headBias?: TensorDescription | undefined;
  /** c of c·tanh(logit/c). */
  readonly logitSoftcap?: number | undefined;
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
