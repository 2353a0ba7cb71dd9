/**
 * Feed-forward networks of which each token goes through a few (Shazeer et al. 2017, arXiv 1701.06538).
 * @module
 */

import { linear, multiply } from '../../graph/operators/arithmetic.js';
import { concat, slice } from '../../graph/operators/shape.js';
import type { Value } from '../../graph/value.js';
import { ConfigError } from '../config-error.js';
import { MAX_ALL_EXPERTS } from '../config-size.js';
import type {
  BlockDescription,
  BlockScope,
  Experts,
  TensorDescription,
  WeightScope,
} from '../description.js';
import type { TensorNames } from '../family.js';
import type { Activation } from './activations.js';
import { type GatedLinears, type GatedNames, gatedFeedForward, gatedLinears } from './feed-forward.js';
import type { AnyPart, Part } from './part.js';
import { rowsOf } from './placement.js';

/** The weights [tokens, experts] that the experts have for each token, from the router's logits of the same shape. */
export type Routing = (scope: WeightScope, logits: Value) => Value;

export interface RouterOptions {
  /** Name of the router's weight [experts, hidden] within the block. */
  readonly weight: string;
  /** Name of its bias [experts], where it has one. */
  readonly bias?: string | undefined;
  readonly experts: number;
  readonly hidden: number;
  readonly routing: Routing;
  /** What else the routing reads. */
  readonly routingTensors?: readonly TensorDescription[] | undefined;
  /** What every token goes through besides. */
  readonly shared?: Part | undefined;
}

/** @throws ConfigError when tokens go to more experts than there are, or the blocks have too many of them */
export function expertCounts(count: number, perToken: number, blocks: number) {
  if (perToken > count) {
    throw new ConfigError(`num_experts_per_tok ${perToken} of ${count} experts`);
  }
  if (blocks * count > MAX_ALL_EXPERTS) {
    throw new ConfigError(
      `${blocks} blocks of ${count} experts; no more than ${MAX_ALL_EXPERTS} experts are read`,
    );
  }
  return { count, perToken };
}

/** Sends the tokens to the block's experts. The router isn't pruned. */
export function routerPart(options: RouterOptions): Part<BlockScope, Value | undefined> {
  const { weight, bias, experts, hidden, routing, routingTensors = [], shared } = options;
  return {
    tensors: [
      { name: weight, shape: [experts, hidden] },
      ...(bias ? [{ name: bias, shape: [experts] }] : []),
      ...routingTensors,
      ...(shared?.tensors ?? []),
    ],
    linears: shared?.linears ?? [],
    apply(scope, x) {
      const logits = linear(scope.graph, x, scope.weight(weight), bias ? scope.weight(bias) : undefined);
      scope.route(x, routing(scope, logits));
      return shared?.apply(scope, x);
    },
  };
}

export interface ExpertList {
  /** Of the block. */
  readonly prefix: string;
  readonly graphKey: string;
  readonly count: number;
  readonly perToken: number;
  readonly hidden: number;
  /** Name of the list of experts within the block: `mlp.experts`. */
  readonly list: string;
}

export interface ExpertNetwork extends AnyPart {
  /** @param x [rows, hidden] @param weights [rows, 1]; a row whose weight is 0 is no token, and has zeros in x */
  apply(scope: BlockScope, x: Value, weights: Value): Value;
}

/**
 * Experts in the order of their indices.
 *
 * @param network of an expert; asked for when the expert is looked at, since configs may claim more experts than anyone has
 */
export function expertList(options: ExpertList, network: (index: number) => ExpertNetwork): Experts {
  const { prefix, graphKey, count, perToken, hidden, list } = options;
  const units = Array.from({ length: count }, (_, index): BlockDescription => {
    let known: ExpertNetwork | undefined;
    const part = () => {
      known ??= network(index);
      return known;
    };
    return {
      prefix: `${prefix}${list}.${index}.`,
      wholePrefix: `${prefix}${list}.`,
      hiddenSize: hidden + 1,
      graphKey,
      get tensors() {
        return part().tensors;
      },
      get linears() {
        return part().linears;
      },
      forward(scope, rows) {
        const { graph } = scope;
        const weights = slice(graph, rows, 1, hidden, hidden + 1);
        const given = part().apply(scope, slice(graph, rows, 1, 0, hidden), weights);
        return concat(graph, [multiply(graph, given, weights), weights], 1);
      },
    };
  });
  return { perToken, units };
}

export interface ExpertsOptions extends ExpertList {
  readonly intermediate: number;
  readonly activation: Activation;
  readonly names: TensorNames;
  /** Names of an expert's linears. */
  readonly linears: GatedNames;
}

/** Experts that are gated feed-forward networks, each with tensors of its own or all in tensors of three axes. */
export function gatedExperts(options: ExpertsOptions): Experts {
  const { prefix, list, names, activation } = options;
  if (names.has(`${prefix}${list}.gate_up_proj`)) {
    return expertList(options, (index) => gatedFeedForward(fusedLinears(options, index), activation));
  }
  const network = gatedFeedForward(expertLinears(options), activation);
  return expertList(options, () => network);
}

/** The linears of an expert, each a tensor of its own. */
export function expertLinears({
  hidden,
  intermediate,
  linears,
}: Pick<ExpertsOptions, 'hidden' | 'intermediate' | 'linears'>): GatedLinears {
  const groups = { inputGroup: 'expert input', hiddenGroup: 'expert hidden' };
  return gatedLinears(linears, { hidden, intermediate, ...groups });
}

/** Out of `gate_up_proj` [experts, 2·intermediate, hidden] and `down_proj` [experts, hidden, intermediate]. */
function fusedLinears(options: ExpertsOptions, matrix: number): GatedLinears {
  const { count: experts, hidden, intermediate } = options;
  const { gate, up, down } = expertLinears(options);
  const half = (first: number) => ({
    weight: rowsOf('gate_up_proj', [experts, 2 * intermediate, hidden], {
      first,
      count: intermediate,
      matrix,
    }),
  });
  const whole = rowsOf('down_proj', [experts, hidden, intermediate], { first: 0, count: hidden, matrix });
  return {
    gate: { ...gate, stored: half(0) },
    up: { ...up, stored: half(intermediate) },
    down: { ...down, stored: { weight: whole } },
  };
}
