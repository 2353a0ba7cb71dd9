/**
 * How a block is computed while it is being pruned: in passes over the windows. A pass ends where linears read
 * activations that can be measured by then; what the rest of the block needs is carried to the next pass.
 * @module
 */
import type { BlockDescription } from '../model/description.js';
import { type BlockGraph, buildBlock } from './block-scope.js';
import type { Graph, GraphNode } from './graph-builder.js';
import { reduce } from './operators/reduce.js';
import { transpose } from './operators/shape.js';
import { elementCount, type Value } from './value.js';

/**
 * What the inputs of a linear are measured with.
 * `pruned`: with the linears before it in the block as they were pruned, so that it makes up for what they lost
 * ("true sequential" in GPTQ's terms). Every product of the forward is computed once.
 * `dense`: with the block as it was; the forward is computed twice, before and after pruning.
 */
export type InputsMeasured = 'pruned' | 'dense';

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
}

export interface BlockPasses {
  /** The last one measures nothing and gives the block's output; its place is that of the block's input. */
  readonly passes: readonly BlockPass[];
  /** Of a window, with everything that is carried at the same time; the block's input lies at its start. */
  readonly recordBytes: number;
  /** Differs where the passes of blocks of the same `graphKey` differ. */
  readonly key: string;
}

/** What a pass gives for its measured groups. */
export type ActivationOutput =
  /** Σ over tokens of x², [in] */
  | 'sum of squares'
  /** Xᵀ [in, tokens]: rows are features, so that slabs of features are contiguous */
  | 'transposed activations';

/** Name of a pass's output for a measured group. */
export function activationOutputName(group: string): string {
  return `activation: ${group}`;
}

/** Name of a pass's output for what it writes. */
export function carriedOutputName(value: CarriedValue): string {
  return `carried: ${value.name}`;
}

/** @param pruned names within the block of the linears to be pruned; others are computed along */
export function planPasses(
  block: BlockDescription,
  tokens: number,
  pruned: ReadonlySet<string>,
  inputs: InputsMeasured,
): BlockPasses {
  const built = buildBlock(block, tokens);
  const cutAfter = inputs === 'pruned' ? pruned : new Set<string>();
  const levels = nodeLevels(built, cutAfter);
  const levelOf = (value: Value) => levels.get(value) ?? 0;
  const depth = inputs === 'pruned' ? levelOf(built.output) : Math.min(pruned.size, 1);

  const record = new WindowRecord();
  let carried = [record.place(built.hidden)];
  const passes: BlockPass[] = [];
  for (let index = 0; index < depth; index++) {
    const after = inputs === 'pruned' ? neededAfter(built, levels, index) : [built.hidden];
    const kept = carried.filter(({ name }) => after.some((value) => value.name === name));
    record.keep(kept);
    const writes = after
      .filter((value) => !kept.some(({ name }) => name === value.name))
      .map((value) => record.place(value));
    const measured = built.linears.filter(({ name, input }) => pruned.has(name) && levelOf(input) === index);
    const groups = new Map(
      measured.map(({ inputGroup, input }) => [inputGroup, { name: inputGroup, size: input.shape[1] ?? 0 }]),
    );
    passes.push({ index, reads: carried, writes, groups: [...groups.values()] });
    carried = [...kept, ...writes];
  }
  const output = { name: built.output.name, shape: built.output.shape, offset: 0 };
  passes.push({ index: depth, reads: carried, writes: [output], groups: [] });
  const key = `${block.graphKey} ${tokens} ${inputs} ${[...pruned].sort().join(' ')}`;
  return { passes, recordBytes: record.bytes, key };
}

/** The graph of one pass, which gives `output` for each measured group. */
export function passGraph(
  block: BlockDescription,
  tokens: number,
  pass: BlockPass,
  output: ActivationOutput,
): Graph {
  const { graph, hidden, linears } = buildBlock(block, tokens);
  const values = new Map([hidden, ...graph.nodes.flatMap((node) => node.outputs)].map((v) => [v.name, v]));
  const named = ({ name }: { readonly name: string }): Value => {
    const value = values.get(name);
    if (!value) throw new Error(`block ${block.prefix} computes no value ${name}`);
    return value;
  };
  for (const carried of pass.writes) graph.output(carriedOutputName(carried), named(carried));
  for (const { name } of pass.groups) {
    const x = linears.find(({ inputGroup }) => inputGroup === name)?.input;
    if (!x) throw new Error(`block ${block.prefix} has no input group ${name}`);
    const value =
      output === 'sum of squares' ? reduce(graph, 'ReduceSumSquare', x, 0) : transpose(graph, x, [1, 0]);
    graph.output(activationOutputName(name), value);
  }
  return graph.build(pass.reads.map(named));
}

/** For every computed value, the pruned linears on the longest way to it from the block's input. */
function nodeLevels({ graph, linears }: BlockGraph, pruned: ReadonlySet<string>): Map<Value, number> {
  const behind = new Set(linears.filter(({ name }) => pruned.has(name)).map(({ output }) => output));
  const levels = new Map<Value, number>();
  for (const { inputs, outputs } of graph.nodes) {
    const level = Math.max(0, ...inputs.map((value) => levels.get(value) ?? 0));
    for (const output of outputs) levels.set(output, level + (behind.has(output) ? 1 : 0));
  }
  return levels;
}

/** Operators whose result is carried rather than computed again. */
const COSTLY: ReadonlySet<string> = new Set(['Gemm', 'MatMul']);

/** The values of levels up to `level` that later ones read, without those that follow cheaply from others. */
function neededAfter(
  { graph, hidden, output }: BlockGraph,
  levels: ReadonlyMap<Value, number>,
  level: number,
): Value[] {
  const levelOf = (value: Value) => levels.get(value) ?? 0;
  const producers = new Map<Value, GraphNode>();
  for (const node of graph.nodes) for (const value of node.outputs) producers.set(value, node);
  const isDynamic = (value: Value): boolean =>
    value === hidden || (producers.get(value)?.inputs.some(isDynamic) ?? false);

  const needed = new Set<Value>();
  for (const node of graph.nodes) {
    if (!node.outputs.some((value) => levelOf(value) > level)) continue;
    for (const value of node.inputs) if (levelOf(value) <= level && isDynamic(value)) needed.add(value);
  }
  if (levelOf(output) <= level) needed.add(output);

  const follows = (value: Value): boolean => {
    if (needed.has(value) || !isDynamic(value)) return true;
    const producer = producers.get(value);
    return producer !== undefined && !COSTLY.has(producer.operator) && producer.inputs.every(follows);
  };
  for (const value of [...needed].reverse()) {
    needed.delete(value);
    if (!follows(value)) needed.add(value);
  }
  return [...needed];
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
