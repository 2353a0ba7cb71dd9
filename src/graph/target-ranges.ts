/**
 * What the residual stream lacks beside the dense model where a linear writes into it: two forwards of the block side by
 * side, one from the activations of the pruned model and one from those of the dense model.
 * @module
 */
import type { BlockDescription, LinearDescription } from '../model/description.js';
import {
  activationOutputName,
  type BlockPass,
  type BlockPasses,
  type CarriedValue,
  cutWindow,
  followsCheaply,
  planKey,
  producersIn,
} from './block-passes.js';
import { type BlockGraph, buildBlock, type LinearCall } from './block-scope.js';
import type { Graph } from './graph-builder.js';
import { add, linear, subtract } from './operators/arithmetic.js';
import { transpose } from './operators/shape.js';
import type { Value } from './value.js';

/** Consecutive tokens of a window. */
export interface TargetRange {
  readonly tokens: number;
  /** From the record of the window in the model that is being pruned, and from that in the dense model. */
  readonly reads: { readonly pruned: readonly CarriedValue[]; readonly dense: readonly CarriedValue[] };
  /** Graphs of ranges with the same key are the same. */
  readonly graphKey: string;
  graph(): Graph;
}

/** Name of the output with what a linear lacks, transposed [out, tokens]. */
export function lackOutputName(linear: string): string {
  return `lack: ${linear}`;
}

/**
 * Those of the linears that are pruned after a pass of which nothing becomes but a sum with something that is known by
 * then, as with what writes into the residual stream.
 */
export function targetedAfter(planned: BlockPasses, pass: BlockPass): LinearDescription[] {
  const { block, tokens, pruned } = planned;
  if (pass.groups.length === 0) return [];
  const built = buildBlock(block, tokens);
  const known = knownIn(built, passAfter(planned, pass).reads);
  const writers = built.linears.filter((call) => summandBeside(built, call, new Set(known)));
  return block.linears.filter(
    ({ name, inputGroup }) =>
      pruned.has(name) &&
      pass.groups.some((group) => group.name === inputGroup) &&
      writers.some((call) => call.name === name),
  );
}

/**
 * The ranges of a window after a pass that measures, with both records as the pass has left them. Their graphs give, for
 * every linear of `targetedAfter`, its input X [tokens, in] in the model that is being pruned, and what the sum lacks that
 * it writes into: (X′ − X)·Wᵀ + r′ − r, with X′ and r′ the input and the other summand in the dense model.
 */
export function targetRanges(planned: BlockPasses, pass: BlockPass): TargetRange[] {
  const next = passAfter(planned, pass);
  const linears = targetedAfter(planned, pass).map(({ name }) => name);
  const tokenwise = next.reads.every(({ shape }) => shape.length === 2 && shape[0] === planned.tokens);
  return cutWindow(planned, next.index, tokenwise).map(({ tokens, same, own, within }) => {
    const build = () => buildTargets(planned.block, tokens, own.reads, linears);
    const { pruned, dense } = build().reads;
    return {
      tokens,
      reads: {
        pruned: next.reads.map((value, index) => within(value, pruned[index]?.name)),
        dense: next.reads.map((value, index) => within(value, dense[index]?.name)),
      },
      graphKey: `${planKey(same)} targets ${pass.index}`,
      graph: () => build().graph(),
    };
  });
}

function passAfter(planned: BlockPasses, { index }: BlockPass): BlockPass {
  const next = planned.passes[index + 1];
  if (!next) throw new Error(`${planned.block.prefix} has no pass after ${index}`);
  return next;
}

function buildTargets(
  block: BlockDescription,
  tokens: number,
  reads: readonly CarriedValue[],
  linears: readonly string[],
) {
  const pruned = buildBlock(block, tokens);
  const { graph } = pruned;
  const values = valuesOf(pruned);
  const known = knownIn(pruned, reads);
  const targeted = pruned.linears.flatMap((call) => {
    const beside = linears.includes(call.name) && summandBeside(pruned, call, new Set(known));
    return beside ? [{ ...call, beside }] : [];
  });
  const dense = buildBlock(block, tokens, pruned);
  const others = [dense.hidden, ...valuesOf(pruned).slice(values.length)];
  const twins = new Map(values.map((value, index) => [value, others[index] as Value]));
  const twin = (value: Value) => twins.get(value) ?? value;
  const difference = (value: Value) => subtract(graph, twin(value), value);

  for (const [group, input] of new Map(targeted.map((call) => [call.inputGroup, call.input]))) {
    graph.output(activationOutputName(group), input);
    const inputs = difference(input);
    for (const { name, inputGroup, beside } of targeted) {
      if (inputGroup !== group) continue;
      const lack = add(graph, linear(graph, inputs, pruned.weight(`${name}.weight`)), difference(beside));
      graph.output(lackOutputName(name), transpose(graph, lack, [1, 0]));
    }
  }
  return {
    reads: { pruned: known, dense: known.map(twin) },
    graph: () => graph.build([...known, ...known.map(twin)]),
  };
}

/** The block's input, and what is computed of it. */
function valuesOf({ graph, hidden }: BlockGraph): Value[] {
  return [hidden, ...graph.nodes.flatMap(({ outputs }) => outputs)];
}

function knownIn(built: BlockGraph, reads: readonly CarriedValue[]): Value[] {
  const byName = new Map(valuesOf(built).map((value) => [value.name, value]));
  return reads.map(({ name }) => {
    const value = byName.get(name);
    if (!value) throw new Error(`a block computes no value ${name}`);
    return value;
  });
}

/** What a linear's output is added to, if that is all that becomes of it and the other summand is known. */
function summandBeside(
  { graph, hidden }: BlockGraph,
  { output }: LinearCall,
  known: ReadonlySet<Value>,
): Value | undefined {
  const [reader, another] = graph.nodes.filter(({ inputs }) => inputs.includes(output));
  if (reader?.operator !== 'Add' || another) return undefined;
  const beside = reader.inputs.find((value) => value !== output);
  const isKnown = beside && followsCheaply(beside, producersIn(graph), known, hidden);
  return isKnown ? beside : undefined;
}
