/**
 * Builds a graph of operators on values with static shapes. Operators are functions in `operators/`;
 * the graph that comes out is data, encoded to ONNX by `encodeOnnx`.
 * @module
 */
import { type ElementType, elementCount, FREE, type Value } from './value.js';

export type Attribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'string'; readonly value: string };

export interface GraphNode {
  readonly operator: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface Constant {
  readonly value: Value;
  readonly data: Float32Array | BigInt64Array;
}

/** Operators that are differentiated as one, and computed in one pass. */
export interface Composite extends GraphNode {
  /** What it is made of, one after another in the graph's list. */
  readonly parts: readonly GraphNode[];
}

/** An input with a fixed content. */
export interface Table {
  readonly value: Value;
  readonly data: Float32Array;
}

/** A finished graph: nodes in topological order, nothing in it that no output needs. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly GraphNode[];
  readonly constants: readonly Constant[];
  /** Those of the inputs whose content is fixed. */
  readonly tables: readonly Table[];
}

export class GraphBuilder {
  readonly #name: string;
  readonly #inputs: Value[] = [];
  readonly #outputs: Value[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #composites: Composite[] = [];
  readonly #constants = new Map<Value, Constant['data']>();
  readonly #tables = new Map<string, { readonly value: Value; readonly data: () => Float32Array }>();
  readonly #names = new Set<string>();

  constructor(name: string) {
    this.#name = name;
  }

  /** Declares an input that every run must feed. */
  input(name: string, shape: readonly number[], type: ElementType = 'float32'): Value {
    const value = this.#value(name, shape, type);
    this.#inputs.push(value);
    return value;
  }

  /** A small constant stored in the graph itself (axes, tables, masks). Weights are inputs, never constants. */
  constant(hint: string, shape: readonly number[], data: Float32Array | BigInt64Array): Value {
    if (data.length !== elementCount(shape)) {
      throw new Error(`constant ${hint}: ${data.length} elements for shape [${shape.join(', ')}]`);
    }
    const type = data instanceof Float32Array ? 'float32' : 'int64';
    const value = this.#value(this.#fresh(hint), shape, type);
    this.#constants.set(value, data);
    return value;
  }

  /** The content of a constant of this graph; undefined for any other value. */
  constantData(value: Value): Constant['data'] | undefined {
    return this.#constants.get(value);
  }

  /** One-dimensional int64 constant, the way ONNX passes axes, shapes and bounds. */
  int64s(hint: string, values: readonly number[]): Value {
    return this.constant(hint, [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Adds an operator with one output of the given shape. */
  node(
    operator: string,
    inputs: readonly Value[],
    shape: readonly number[],
    attributes: Readonly<Record<string, Attribute>> = {},
    type: ElementType = 'float32',
  ): Value {
    const output = this.#value(this.#fresh(operator), shape, type);
    this.#nodes.push({ operator, inputs, outputs: [output], attributes });
    return output;
  }

  /** The indices [.., k] along the last axis of the k largest elements, the largest first; equal ones by index. */
  topIndices(x: Value, k: number): Value {
    const shape = x.shape.with(-1, k);
    const values = this.#value(this.#fresh('top'), shape, 'float32');
    const indices = this.#value(this.#fresh('top_indices'), shape, 'int64');
    const attributes = { axis: { kind: 'int', value: -1 } } as const;
    const inputs = [x, this.int64s('k', [k])];
    this.#nodes.push({ operator: 'TopK', inputs, outputs: [values, indices], attributes });
    return indices;
  }

  /**
   * An input whose content is known when the graph is built (position tables, masks). It is fed from memory
   * that all workers share, so that long tables aren't copied into every session.
   *
   * @param name says all that the content depends on; a second table of the name is the first one
   */
  table(name: string, shape: readonly number[], data: () => Float32Array): Value {
    const existing = this.#tables.get(name);
    if (existing) {
      if (existing.value.shape.join() === shape.join()) return existing.value;
      throw new Error(`graph ${this.#name}: two tables ${name}, of shapes that differ`);
    }
    const value = this.input(name, shape);
    this.#tables.set(name, { value, data });
    return value;
  }

  isTable(value: Value): boolean {
    return this.#tables.get(value.name)?.value === value;
  }

  /** Names a value as an output of the graph. */
  output(name: string, value: Value): void {
    const output = this.#value(name, value.shape, value.type);
    this.#nodes.push({ operator: 'Identity', inputs: [value], outputs: [output], attributes: {} });
    this.#outputs.push(output);
  }

  /**
   * Adds operators that together have a gradient rule of their own, and aren't divided among passes. Nothing on the way to
   * their result may be read by others.
   *
   * @param operator name of the rule
   * @param inputs all that the result depends on, but for constants and tables
   * @param build adds no other composite
   */
  composite(
    operator: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    build: () => Value,
  ): Value {
    const first = this.#nodes.length;
    const output = build();
    this.#composites.push({
      operator,
      inputs,
      outputs: [output],
      attributes,
      parts: this.#nodes.slice(first),
    });
    return output;
  }

  get composites(): readonly Composite[] {
    return this.#composites;
  }

  /** The operators so far, in the order in which they were added. */
  get nodes(): readonly GraphNode[] {
    return this.#nodes;
  }

  /** The same with composites in the place of what they are made of. */
  get differentiable(): readonly GraphNode[] {
    const composites = new Map(this.#composites.map((composite) => [composite.parts[0], composite]));
    const list: GraphNode[] = [];
    for (let i = 0; i < this.#nodes.length; ) {
      const node = this.#nodes[i] as GraphNode;
      const composite = composites.get(node);
      list.push(composite ?? node);
      i += composite?.parts.length ?? 1;
    }
    return list;
  }

  /**
   * What the outputs need, and nothing else.
   *
   * @param cuts values that are fed under their own names instead of being computed
   */
  build(cuts: readonly Value[] = []): Graph {
    if (this.#outputs.length === 0) throw new Error(`graph ${this.#name} has no output`);
    const fed = new Set(cuts);
    const needed = new Set<Value>(this.#outputs);
    const nodes = this.#nodes.toReversed();
    const live: GraphNode[] = [];
    for (const node of nodes) {
      if (!node.outputs.some((output) => needed.has(output) && !fed.has(output))) continue;
      live.push(node);
      for (const input of node.inputs) needed.add(input);
    }
    return {
      name: this.#name,
      inputs: [...new Set([...this.#inputs, ...cuts])].filter((input) => needed.has(input)),
      outputs: this.#outputs,
      nodes: live.reverse(),
      constants: [...this.#constants]
        .filter(([value]) => needed.has(value))
        .map(([value, data]) => ({ value, data })),
      tables: [...this.#tables.values()]
        .filter(({ value }) => needed.has(value))
        .map(({ value, data }) => ({ value, data: data() })),
    };
  }

  #value(name: string, shape: readonly number[], type: ElementType): Value {
    if (this.#names.has(name)) throw new Error(`graph ${this.#name}: the name ${name} is taken`);
    for (const size of shape) {
      if (!Number.isSafeInteger(size) || size < FREE) {
        throw new Error(`graph ${this.#name}: ${name} has the impossible shape [${shape.join(', ')}]`);
      }
    }
    this.#names.add(name);
    return { name, shape, type };
  }

  #fresh(hint: string): string {
    let n = this.#names.size;
    while (this.#names.has(`${hint}_${n}`)) n++;
    return `${hint}_${n}`;
  }
}
