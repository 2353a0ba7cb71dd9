/**
 * What the linears of a block lack beside the dense model: two forwards of the block side by side, one from the
 * activations of the pruned model and one from those of the dense model.
 * @module
 */
import type { BlockDescription } from '../model/description.js';
import {
  activationOutputName,
  type BlockPass,
  type BlockPasses,
  type CarriedValue,
  cutWindow,
  followsCheaply,
  type MeasuredGroup,
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

/** The linears that are pruned after a pass. */
export function prunedAfter({ block, pruned }: BlockPasses, { groups }: BlockPass) {
  return block.linears.filter(
    ({ name, inputGroup }) => pruned.has(name) && groups.some((group) => group.name === inputGroup),
  );
}

/**
 * The ranges of a window after a pass that measures, with both records as the pass has left them. Their graphs give X
 * [tokens, in] of every measured group in the model that is being pruned, and of every linear that is pruned next
 * (X′ − X)·Wᵀ, X′ being its input in the dense model. Where nothing but a sum reads what the linear gives, and the other
 * summand r is known by then, r′ − r is added: the linear is to make up for what the residual stream has lost before it.
 */
export function targetRanges(planned: BlockPasses, pass: BlockPass): TargetRange[] {
  const next = planned.passes[pass.index + 1];
  if (!next) throw new Error(`${planned.block.prefix} has no pass after ${pass.index}`);
  const tokenwise = next.reads.every(({ shape }) => shape.length === 2 && shape[0] === planned.tokens);
  return cutWindow(planned, next.index, tokenwise).map(({ tokens, same, own, within }) => {
    const linears = prunedAfter(planned, pass).map(({ name }) => name);
    const build = () => buildTargets(planned.block, tokens, own.reads, pass.groups, linears);
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

function buildTargets(
  block: BlockDescription,
  tokens: number,
  reads: readonly CarriedValue[],
  groups: readonly MeasuredGroup[],
  linears: readonly string[],
) {
  const pruned = buildBlock(block, tokens);
  const nodes = [...pruned.graph.nodes];
  const dense = buildBlock(block, tokens, pruned);
  const { graph } = pruned;
  const values = [pruned.hidden, ...nodes.flatMap(({ outputs }) => outputs)];
  const others = [dense.hidden, ...graph.nodes.slice(nodes.length).flatMap(({ outputs }) => outputs)];
  const twins = new Map(values.map((value, index) => [value, others[index] as Value]));
  const twin = (value: Value) => twins.get(value) ?? value;
  const byName = new Map(values.map((value) => [value.name, value]));
  const known = reads.map(({ name }) => {
    const value = byName.get(name);
    if (!value) throw new Error(`block ${block.prefix} computes no value ${name}`);
    return value;
  });
  const difference = (value: Value) => subtract(graph, twin(value), value);

  for (const { name } of groups) {
    const calls = pruned.linears.filter(
      ({ inputGroup, name: own }) => inputGroup === name && linears.includes(own),
    );
    const [first] = calls;
    if (!first) continue;
    graph.output(activationOutputName(name), first.input);
    const inputs = difference(first.input);
    for (const call of calls) {
      const lack = linear(graph, inputs, pruned.weight(`${call.name}.weight`));
      const beside = summandBeside(pruned, nodes, call, new Set(known));
      const total = beside ? add(graph, lack, difference(beside)) : lack;
      graph.output(lackOutputName(call.name), transpose(graph, total, [1, 0]));
    }
  }
  return {
    reads: { pruned: known, dense: known.map(twin) },
    graph: () => graph.build([...known, ...known.map(twin)]),
  };
}

/** What a linear's output is added to, if that is all that becomes of it and the other summand is known. */
function summandBeside(
  { hidden }: BlockGraph,
  nodes: BlockGraph['graph']['nodes'],
  { output }: LinearCall,
  known: ReadonlySet<Value>,
): Value | undefined {
  const [reader, another] = nodes.filter(({ inputs }) => inputs.includes(output));
  if (reader?.operator !== 'Add' || another) return undefined;
  const beside = reader.inputs.find((value) => value !== output);
  const isKnown = beside && followsCheaply(beside, producersIn({ nodes }), known, hidden);
  return isKnown ? beside : undefined;
}
