/**
 * Reverse-mode differentiation of graphs.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import { add } from '../operators/arithmetic.js';
import { dimension } from '../operators/shape.js';
import type { Value } from '../value.js';
import { type Contribution, outputOf, type SliceGradient } from './gradient-rule.js';
import { GRADIENT_RULES } from './gradient-rules.js';
import { joinSlices } from './join-slices.js';

/** A value, and the gradient of the loss with respect to it. */
export interface Differentiated {
  readonly value: Value;
  /** Of the value's shape. */
  readonly gradient: Value;
}

/**
 * Adds to the graph the nodes that compute the gradients of a loss with respect to the wanted values, and nothing else
 * (Griewank & Walther 2008, "Evaluating Derivatives", section 3.2).
 *
 * @param outputs from which the loss is computed, outside the graph
 * @returns by wanted value, a value of the same shape
 * @throws Error naming the operator on the way that has no rule, or the wanted value that no output depends on
 */
export function differentiate(
  graph: GraphBuilder,
  outputs: readonly Differentiated[],
  wanted: readonly Value[],
): Map<Value, Value> {
  const nodes = graph.differentiable;
  const dependent = new Set(wanted);
  for (const { inputs, outputs } of nodes) {
    if (inputs.some((input) => dependent.has(input))) for (const output of outputs) dependent.add(output);
  }
  const gradients = new Gradients(graph);
  for (const { value, gradient } of outputs) gradients.contribute(value, gradient, 'the loss');
  for (const node of nodes.toReversed()) {
    const { operator, inputs } = node;
    if (!inputs.some((input) => dependent.has(input))) continue;
    const gradient = gradients.of(outputOf(node));
    if (!gradient) continue;
    const rule = GRADIENT_RULES[operator];
    if (!rule) throw new Error(`the operator ${operator} has no gradient rule`);
    const rules = rule(graph, node, gradient);
    for (const [index, input] of inputs.entries()) {
      if (!dependent.has(input)) continue;
      const contribution = rules[index]?.();
      if (!contribution) throw new Error(`the operator ${operator} has no gradient for its input ${index}`);
      gradients.contribute(input, contribution, operator);
    }
  }
  return new Map(
    wanted.map((value) => {
      const gradient = gradients.of(value);
      if (!gradient) throw new Error(`no output depends on ${value.name}`);
      return [value, gradient];
    }),
  );
}

/** The sums of what the uses of each value contribute. */
class Gradients {
  readonly #graph: GraphBuilder;
  readonly #whole = new Map<Value, Value[]>();
  readonly #slices = new Map<Value, SliceGradient[]>();
  readonly #sums = new Map<Value, Value>();

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** @param operator what it comes from, for messages */
  contribute(value: Value, contribution: Contribution, operator: string): void {
    if ('gradient' in contribution) {
      const { axis, start, end, gradient } = contribution;
      requireShape(gradient, value.shape.with(axis, end - start), operator);
      this.#slices.set(value, [...(this.#slices.get(value) ?? []), contribution]);
    } else {
      requireShape(contribution, value.shape, operator);
      this.#whole.set(value, [...(this.#whole.get(value) ?? []), contribution]);
    }
  }

  /** Undefined where nothing was contributed. All uses of the value must have been visited. */
  of(value: Value): Value | undefined {
    const known = this.#sums.get(value);
    if (known) return known;
    const slices = this.#slices.get(value) ?? [];
    const axes = [...new Set(slices.map(({ axis }) => axis))];
    const joined = axes.map((axis) => {
      const along = slices.filter((slice) => slice.axis === axis);
      return joinSlices(this.#graph, along, dimension(value, axis));
    });
    const terms = [...joined, ...(this.#whole.get(value) ?? [])];
    if (terms.length === 0) return undefined;
    const sum = terms.reduce((a, b) => add(this.#graph, a, b));
    this.#sums.set(value, sum);
    return sum;
  }
}

function requireShape({ shape }: Value, expected: readonly number[], operator: string): void {
  if (shape.join() === expected.join()) return;
  throw new Error(
    `${operator}: a gradient of shape [${shape.join(', ')}] instead of [${expected.join(', ')}]`,
  );
}
