/**
 * How a block is computed: in passes over the windows. While the block is being pruned a pass ends where linears read
 * activations that can be measured by then. In long windows the part that mixes tokens is a pass of its own, so that
 * what treats each token alone can go through the rest in ranges. What later passes need is carried to them.
 * @module
 */
import type { BlockDescription } from '../model/description.js';
import { partsOf } from '../runtime/parts.js';
import { type BlockGraph, buildBlock, type LinearCall } from './block-scope.js';
import type { Graph, GraphBuilder, GraphNode } from './graph-builder.js';
import { reduce } from './operators/reduce.js';
import { transpose } from './operators/shape.js';
import { elementCount, type Value } from './value.js';

/**
 * What the inputs of a linear are measured with.
 * `pruned`: with the linears before it in the block as they were pruned, so that it makes up for what they lost
 * ("true sequential" in GPTQ's terms). Every product of the forward is computed once.
 * `mixed`: like `pruned`, but what attention gives is measured with attention as it was. Attention is computed twice.
 * `dense`: with the block as it was; the whole forward is computed twice, before and after pruning.
 */
export type InputsMeasured = 'pruned' | 'mixed' | 'dense';

/** A value that waits in a window's record, f32. */
export interface CarriedValue {
  readonly name: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the record. */
  readonly offset: number;
}

export interface MeasuredGroup {
  readonly name: string;
  /** Features of the activation. */
  readonly size: number;
}

export interface BlockPass {
  readonly index: number;
  readonly reads: readonly CarriedValue[];
  readonly writes: readonly CarriedValue[];
  /** Input groups whose activation is known in this pass; their linears are pruned after it. */
  readonly groups: readonly MeasuredGroup[];
  /** Whether each token of what it reads and writes has to do with that token alone. */
  readonly tokenwise: boolean;
}

/** The passes of a block, or of one of its experts, and what they were planned for. */
export interface BlockPasses {
  readonly block: BlockDescription;
  readonly tokens: number;
  readonly pruned: ReadonlySet<string>;
  readonly inputs: InputsMeasured;
  /** Whether the part that mixes tokens is a pass of its own. */
  readonly divided: boolean;
  readonly passes: readonly BlockPass[];
  /** Of a window, with everything that is carried at the same time; the block's input lies at its start. */
  readonly recordBytes: number;
  /** Where the record has what goes to the experts, after the last pass. */
  readonly routed?: { readonly input: CarriedValue; readonly weights: CarriedValue } | undefined;
}

/** Consecutive tokens of a window that go through a pass together. */
export interface PassRange {
  readonly tokens: number;
  /** As in the pass, but only these tokens, and by the names of the graph's inputs. */
  readonly reads: readonly CarriedValue[];
  /** By the names of the graph's outputs. */
  readonly writes: readonly CarriedValue[];
  /** Graphs of ranges with the same key are the same. */
  readonly graphKey: string;
  /** @param sums whether it also gives Σ over tokens of x of every measured group */
  graph(output: ActivationOutput, sums?: boolean): Graph;
}

/** Tokens of a range: as many as GEMM needs for its full speed. */
export const RANGE_TOKENS = 1024;

/** What a pass gives for its measured groups. */
export type ActivationOutput =
  | 'nothing'
  /** Σ over tokens of x², [in] */
  | 'sum of squares'
  /** Xᵀ [in, tokens]: rows are features, so that slabs of features are contiguous */
  | 'transposed activations';

/** Name of a pass's output for a measured group. */
export function activationOutputName(group: string): string {
  return `activation: ${group}`;
}

/** Name of a pass's output for Σ over tokens of x of a measured group, [in]. */
export function sumOutputName(group: string): string {
  return `sum: ${group}`;
}

/** Graphs of ranges that give such outputs have the same key where they are the same. */
export function measuringKey(range: PassRange, output: ActivationOutput, sums: boolean): string {
  return `${range.graphKey} ${output}${sums ? ' and sum' : ''}`;
}

/** Name of a graph's output for what its pass writes. */
function writtenName(value: CarriedValue): string {
  return `written: ${value.name}`;
}

/** @param pruned names within the block of the linears to be pruned; others are computed along */
export function planPasses(
  block: BlockDescription,
  tokens: number,
  pruned: ReadonlySet<string>,
  inputs: InputsMeasured,
): BlockPasses {
  return plan({ block, tokens, pruned, inputs, divided: tokens > RANGE_TOKENS });
}

/** The passes that are run while the block is being pruned: up to the last that measures. */
export function pruningPasses({ passes }: BlockPasses): readonly BlockPass[] {
  return passes.slice(0, passes.findLastIndex(({ groups }) => groups.length > 0) + 1);
}

/** The passes after them, which give the block's output in the place of its input. */
export function outputPasses(planned: BlockPasses): readonly BlockPass[] {
  return planned.passes.slice(pruningPasses(planned).length);
}

/** Plans with the same key have the same graphs. */
export function planKey({ block, tokens, pruned, inputs, divided }: BlockPasses): string {
  return [block.graphKey, tokens, inputs, divided, ...[...pruned].sort()].join(' ');
}

/** The passes of a block of which nothing is pruned. */
export function planWholeBlock(block: BlockDescription, tokens: number): BlockPasses {
  return planPasses(block, tokens, new Set(), 'pruned');
}

function plan(purpose: Omit<BlockPasses, 'passes' | 'recordBytes' | 'routed'>): BlockPasses {
  const { block, tokens, pruned, inputs, divided } = purpose;
  const built = buildBlock(block, tokens);
  const record = new WindowRecord();
  const hidden = record.place(built.hidden);
  let carried: readonly CarriedValue[] = [hidden];
  const passes: BlockPass[] = [];
  const add = (writes: readonly CarriedValue[], groups: readonly MeasuredGroup[]) => {
    const tokenwise = isTokenwise(built, carried, writes, groups);
    passes.push({ index: passes.length, reads: carried, writes, groups, tokenwise });
  };

  const atFirst = MEASURED_AT_FIRST[inputs](built, pruned);
  if (atFirst.size > 0) add([], groupsOf(built.linears, atFirst));
  const inTurn = new Set([...pruned].filter((name) => !atFirst.has(name)));
  const cuts = new Set([...inTurn, ...(divided ? linearsAfterMixing(built) : [])]);
  const levels = levelsBehind(built, cuts);
  const levelOf = (value: Value) => levels.get(value) ?? 0;
  for (let level = 0; level < Math.max(...resultsOf(built).map(levelOf)); level++) {
    const after = neededAfter(built, levels, level);
    const kept = carried.filter(({ name }) => after.some((value) => value.name === name));
    record.keep(kept);
    const writes = after
      .filter((value) => !kept.some(({ name }) => name === value.name))
      .map((value) => record.place(value));
    const known = built.linears.filter(({ input }) => levelOf(input) === level);
    add(writes, groupsOf(known, inTurn));
    carried = [...kept, ...writes];
  }
  const output = { ...hidden, name: built.output.name };
  record.keep([output, ...carried]);
  const routed = built.routed && {
    input: record.place(built.routed.input),
    weights: record.place(built.routed.weights),
  };
  add([output, ...(routed ? [routed.input, routed.weights] : [])], []);
  return { ...purpose, passes, recordBytes: record.bytes, routed };
}

/** The ranges in which windows go through a pass, in order. */
export function passRanges(planned: BlockPasses, pass: BlockPass): PassRange[] {
  return cutWindow(planned, pass.index, pass.tokenwise).map(({ tokens, same, own, within }) => ({
    tokens,
    reads: pass.reads.map((value, index) => within(value, own.reads[index]?.name)),
    writes: pass.writes.map((value, index) => within(value, own.writes.map(writtenName)[index])),
    graphKey: `${planKey(same)} ${own.index}`,
    graph: (output, sums = false) => passGraph(planned.block, tokens, own, output, sums),
  }));
}

/** Consecutive tokens of a window. */
interface WindowCut {
  readonly tokens: number;
  /** The plan of a window of that length, and of its passes the one that is asked for. */
  readonly same: BlockPasses;
  readonly own: BlockPass;
  /** Where the tokens lie of what is carried, with another name. */
  within(value: CarriedValue, name?: string): CarriedValue;
}

/** @param tokenwise whether what is carried is in rows of tokens, and goes through the pass in ranges */
export function cutWindow(planned: BlockPasses, index: number, tokenwise: boolean): WindowCut[] {
  const { block, pruned, inputs, divided } = planned;
  const plans = new Map([[planned.tokens, planned]]);
  return partsOf(planned.tokens, tokenwise ? RANGE_TOKENS : planned.tokens).map(
    ({ first, count: tokens }) => {
      // A window of that many tokens has the same passes, only its values have other names.
      const same = plans.get(tokens) ?? plan({ block, tokens, pruned, inputs, divided });
      plans.set(tokens, same);
      const own = same.passes[index];
      if (!own) throw new Error(`${block.prefix} has other passes for ${tokens} tokens`);
      const within = ({ shape, offset }: CarriedValue, name = '') => {
        if (!tokenwise) return { name, shape, offset };
        const [, features = 0] = shape;
        return { name, shape: [tokens, features], offset: offset + first * features * 4 };
      };
      return { tokens, same, own, within };
    },
  );
}

function passGraph(
  block: BlockDescription,
  tokens: number,
  pass: BlockPass,
  output: ActivationOutput,
  sums: boolean,
): Graph {
  const { graph, hidden, linears } = buildBlock(block, tokens);
  const values = new Map([hidden, ...graph.nodes.flatMap((node) => node.outputs)].map((v) => [v.name, v]));
  const named = ({ name }: { readonly name: string }): Value => {
    const value = values.get(name);
    if (!value) throw new Error(`block ${block.prefix} computes no value ${name}`);
    return value;
  };
  for (const written of pass.writes) graph.output(writtenName(written), named(written));
  for (const { name } of pass.groups) {
    const x = linears.find(({ inputGroup }) => inputGroup === name)?.input;
    if (!x) throw new Error(`block ${block.prefix} has no input group ${name}`);
    if (output !== 'nothing') {
      const value =
        output === 'sum of squares' ? reduce(graph, 'ReduceSumSquare', x, 0) : transpose(graph, x, [1, 0]);
      graph.output(activationOutputName(name), value);
    }
    if (sums) graph.output(sumOutputName(name), reduce(graph, 'ReduceSum', x, 0));
  }
  return graph.build(pass.reads.map(named));
}

function groupsOf(linears: readonly LinearCall[], pruned: ReadonlySet<string>): MeasuredGroup[] {
  const groups = linears
    .filter(({ name }) => pruned.has(name))
    .map(({ inputGroup, input }) => [inputGroup, { name: inputGroup, size: input.shape[1] ?? 0 }] as const);
  return [...new Map(groups).values()];
}

/** Operators that let tokens see each other. */
const MIXING: ReadonlySet<string> = new Set(['MatMul']);

/** Whether what a node gives for a token depends on others, or on where it lies in the window: tables are of positions. */
function mixesTokens({ operator, inputs }: GraphNode, graph: GraphBuilder): boolean {
  return MIXING.has(operator) || inputs.some((value) => graph.isTable(value));
}

/** What is measured with the block as it was. */
const MEASURED_AT_FIRST: Readonly<
  Record<InputsMeasured, (built: BlockGraph, pruned: ReadonlySet<string>) => ReadonlySet<string>>
> = {
  pruned: () => new Set(),
  mixed: behindPrunedMixing,
  dense: (_, pruned) => pruned,
};

/** Those of the pruned linears that read what attention gives, where what it attends with is pruned too. */
function behindPrunedMixing(built: BlockGraph, pruned: ReadonlySet<string>): Set<string> {
  const after = linearsAfterMixing(built);
  const levels = levelsBehind(built, pruned);
  const behind = built.linears.filter(({ name, input }) => after.has(name) && (levels.get(input) ?? 0) > 0);
  return new Set(behind.map(({ name }) => name).filter((name) => pruned.has(name)));
}

/** Names of the linears that attention depends on: queries, keys and values, with the latents that they may go through. */
export function linearsBeforeMixing(block: BlockDescription, tokens: number): Set<string> {
  const built = buildBlock(block, tokens);
  const mixed = mixedValues(built);
  return new Set(built.linears.filter(({ output }) => mixed.has(output)).map(({ name }) => name));
}

/** The first linears on each way from whose output no token reaches another. */
function linearsAfterMixing(built: BlockGraph): Set<string> {
  const { linears } = built;
  const mixed = mixedValues(built);
  const after = linears.filter(({ output }) => !mixed.has(output));
  const levels = levelsBehind(built, new Set(after.map(({ name }) => name)));
  return new Set(after.filter(({ input }) => (levels.get(input) ?? 0) === 0).map(({ name }) => name));
}

/** The values from which one token reaches another. */
function mixedValues({ graph }: BlockGraph): Set<Value> {
  const mixed = new Set<Value>();
  for (const node of graph.nodes.toReversed()) {
    if (!mixesTokens(node, graph) && !node.outputs.some((value) => mixed.has(value))) continue;
    for (const value of node.inputs) mixed.add(value);
  }
  return mixed;
}

/** Whether the pass computes each token alone, and nothing is written over what another token still reads. */
function isTokenwise(
  { graph, linears, hidden }: BlockGraph,
  reads: readonly CarriedValue[],
  writes: readonly CarriedValue[],
  groups: readonly MeasuredGroup[],
): boolean {
  const [tokens] = hidden.shape;
  const rows = [...reads, ...writes];
  if (!rows.every(({ shape }) => shape.length === 2 && shape[0] === tokens)) return false;
  const end = (value: CarriedValue) => value.offset + elementCount(value.shape) * 4;
  const clash = writes.some((w) =>
    reads.some(
      (r) => w.offset < end(r) && r.offset < end(w) && (w.offset !== r.offset || w.shape[1] !== r.shape[1]),
    ),
  );
  if (clash) return false;
  const needed = new Set([
    ...writes.map(({ name }) => name),
    ...linears
      .filter(({ inputGroup }) => groups.some(({ name }) => name === inputGroup))
      .map(({ input }) => input.name),
  ]);
  for (const { name } of reads) needed.delete(name);
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(({ name }) => needed.has(name))) continue;
    if (mixesTokens(node, graph)) return false;
    for (const { name } of node.inputs) if (!reads.some((read) => read.name === name)) needed.add(name);
  }
  return true;
}

/**
 * For every computed value, how many of the linears lie on the longest way to it from the block's input. All of a composite
 * has the level of what it gives: the weights of attention, [heads, tokens, tokens] of them, may be known before the values
 * that they weigh, and would be carried.
 */
function levelsBehind({ graph, linears }: BlockGraph, cuts: ReadonlySet<string>): Map<Value, number> {
  const behind = new Set(linears.filter(({ name }) => cuts.has(name)).map(({ output }) => output));
  const levels = new Map<Value, number>();
  const highest = (values: readonly Value[]) => Math.max(0, ...values.map((value) => levels.get(value) ?? 0));
  for (const { inputs, outputs } of graph.nodes) {
    const level = highest(inputs);
    for (const output of outputs) levels.set(output, level + (behind.has(output) ? 1 : 0));
  }
  for (const { outputs, parts } of graph.composites) {
    const level = highest(outputs);
    for (const part of parts) for (const value of part.outputs) levels.set(value, level);
  }
  return levels;
}

/** Operators whose result is carried rather than computed again. */
const COSTLY: ReadonlySet<string> = new Set(['Gemm', 'MatMul']);

/** The values of levels up to `level` that later ones read, without those that follow cheaply from others. */
function neededAfter(built: BlockGraph, levels: ReadonlyMap<Value, number>, level: number): Value[] {
  const { graph, hidden } = built;
  const results = resultsOf(built);
  const levelOf = (value: Value) => levels.get(value) ?? 0;
  const producers = producersIn(graph);
  const isDynamic = (value: Value): boolean =>
    value === hidden || (producers.get(value)?.inputs.some(isDynamic) ?? false);

  const needed = new Set<Value>();
  for (const node of graph.nodes) {
    if (!node.outputs.some((value) => levelOf(value) > level)) continue;
    for (const value of node.inputs) if (levelOf(value) <= level && isDynamic(value)) needed.add(value);
  }
  for (const value of results) if (levelOf(value) <= level) needed.add(value);

  for (const value of [...needed].reverse()) {
    needed.delete(value);
    if (!followsCheaply(value, producers, needed, hidden)) needed.add(value);
  }
  return [...needed];
}

/** What a block gives: its output, and what goes to its experts. */
function resultsOf({ output, routed }: BlockGraph): Value[] {
  return routed ? [output, routed.input, routed.weights] : [output];
}

export function producersIn({ nodes }: { readonly nodes: readonly GraphNode[] }): Map<Value, GraphNode> {
  return new Map(nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
}

/** Whether no costly operator lies between a value and known ones. @param hidden the block's input */
export function followsCheaply(
  value: Value,
  producers: ReadonlyMap<Value, GraphNode>,
  known: ReadonlySet<Value>,
  hidden: Value,
): boolean {
  if (known.has(value)) return true;
  const producer = producers.get(value);
  // Weights, tables and constants are known.
  if (!producer) return value !== hidden;
  if (COSTLY.has(producer.operator)) return false;
  return producer.inputs.every((input) => followsCheaply(input, producers, known, hidden));
}

/** Places in a window's record; what is no longer needed makes room. */
class WindowRecord {
  #live: CarriedValue[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  keep(values: readonly CarriedValue[]): void {
    this.#live = [...values];
  }

  place({ name, shape }: Value): CarriedValue {
    const bytes = elementCount(shape) * 4;
    const end = (value: CarriedValue) => value.offset + elementCount(value.shape) * 4;
    let offset = 0;
    for (const value of this.#live.toSorted((a, b) => a.offset - b.offset)) {
      if (offset + bytes <= value.offset) break;
      offset = Math.max(offset, end(value));
    }
    const carried = { name, shape, offset };
    this.#live.push(carried);
    this.#bytes = Math.max(this.#bytes, end(carried));
    return carried;
  }
}
