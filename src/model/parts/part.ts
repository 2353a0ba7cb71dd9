/**
 * What blocks are put together from.
 * @module
 */
import type { Value } from '../../graph/value.js';
import type {
  BlockDescription,
  BlockScope,
  LinearDescription,
  Placement,
  TensorDescription,
  WeightScope,
} from '../description.js';

/** A piece of a block that takes one value [tokens, features] and gives another. */
export interface Part<Scope extends WeightScope = BlockScope, Given extends Value | undefined = Value> {
  readonly tensors: readonly TensorDescription[];
  readonly linears: readonly LinearDescription[];
  apply(scope: Scope, x: Value): Given;
}

/** A piece of which only the tensors and linears count. */
export type AnyPart = Pick<Part, 'tensors' | 'linears'>;

/** A linear with what the checkpoint has for it. */
export interface LinearPart extends LinearDescription {
  readonly bias?: boolean | undefined;
  /** Where weight and bias lie when they are parts of larger tensors. */
  readonly stored?: { readonly weight: Placement; readonly bias?: Placement | undefined } | undefined;
}

/** The tensors of linears. */
export function linearTensors(linears: readonly LinearPart[]): TensorDescription[] {
  return linears.flatMap(({ name, out, in: columns, bias, stored }) => [
    { name: `${name}.weight`, shape: [out, columns], stored: stored?.weight },
    ...(bias ? [{ name: `${name}.bias`, shape: [out], stored: stored?.bias }] : []),
  ]);
}

/** The same linears without what only their tensors are described with. */
export function linearDescriptions(linears: readonly LinearPart[]): LinearDescription[] {
  return linears.map(({ name, out, in: columns, inputGroup }) => ({ name, out, in: columns, inputGroup }));
}

/** A block of parts; their linears are pruned in this order. */
export function blockOf(
  parts: readonly AnyPart[],
  rest: Omit<BlockDescription, 'tensors' | 'linears'>,
): BlockDescription {
  return {
    ...rest,
    tensors: parts.flatMap((part) => part.tensors),
    linears: parts.flatMap((part) => part.linears),
  };
}
