/**
 * How attention and feed-forward network join the residual stream.
 * @module
 */
import { add, scale } from '../../graph/operators/arithmetic.js';
import type { Value } from '../../graph/value.js';
import type { BlockDescription, BlockScope } from '../description.js';
import type { NormPart } from './norms.js';
import type { AnyPart, Part } from './part.js';

/** A branch beside the residual stream, with the normalisations before and after it. */
export interface Branch {
  readonly before?: NormPart | undefined;
  /** Gives nothing itself where all that joins the stream is what experts give. */
  readonly part: Part<BlockScope, Value | undefined>;
  readonly after?: NormPart | undefined;
  /** What the sum goes through. */
  readonly onSum?: NormPart | undefined;
  /** Whether the branch is added to what `before` gives, not to what it takes. */
  readonly joinsNormed?: boolean | undefined;
}

export interface Residuals {
  readonly parts: readonly AnyPart[];
  readonly forward: BlockDescription['forward'];
}

const NOTHING_GIVEN = 'what experts give joins the stream as it is; nothing can be done to it';

/** x + branch(x), one branch after the other. @param factor of what a branch gives */
export function sequentialResiduals(branches: readonly Branch[], factor = 1): Residuals {
  return {
    parts: branches.flatMap(partsOf),
    forward: (scope, input) =>
      branches.reduce((stream, { before, part, after, onSum, joinsNormed }) => {
        const x = before ? before.apply(scope, stream) : stream;
        const given = branchOutput(scope, { part, after }, x);
        if (!given) {
          if (onSum || joinsNormed || factor !== 1) throw new Error(NOTHING_GIVEN);
          return stream;
        }
        const scaled = factor === 1 ? given : scale(scope.graph, given, factor);
        const sum = add(scope.graph, joinsNormed ? x : stream, scaled);
        return onSum ? onSum.apply(scope, sum) : sum;
      }, input),
  };
}

/**
 * x + the sum of all branches of x (Wang & Komatsuzaki 2021, GPT-J).
 *
 * @param shared a normalisation that all branches begin with
 */
export function parallelResiduals(
  branches: readonly Omit<Branch, 'onSum' | 'joinsNormed'>[],
  shared?: NormPart,
): Residuals {
  return {
    parts: [...(shared ? [shared] : []), ...branches.flatMap(partsOf)],
    forward(scope, input) {
      const x = shared ? shared.apply(scope, input) : input;
      return branches.reduce<Value>((sum, branch) => {
        const given = branchOutput(scope, branch, x);
        return given ? add(scope.graph, sum, given) : sum;
      }, input);
    },
  };
}

function partsOf({ before, part, after, onSum }: Branch): AnyPart[] {
  return [before, part, after, onSum].filter((each) => each !== undefined);
}

function branchOutput(scope: BlockScope, { before, part, after }: Branch, x: Value): Value | undefined {
  const given = part.apply(scope, before ? before.apply(scope, x) : x);
  if (!given && after) throw new Error(NOTHING_GIVEN);
  return given && after ? after.apply(scope, given) : given;
}
