/**
 * What a run tells while it works. Rendering is somebody else's business.
 * @module
 */

/** The parts of a command, in the order they happen. */
export type Stage = 'check' | 'evaluate dense' | 'prune' | 'verify' | 'evaluate pruned';

/** What a stage is doing right now; also the keys of the report's `phases`. */
export type Phase = 'read' | 'forward' | 'statistics' | 'solve' | 'propagate' | 'write' | 'logits' | 'verify';

export type ProgressEvent =
  /** A stage begins; `blocks` is how many transformer blocks it will visit. */
  | { readonly kind: 'stage'; readonly stage: Stage; readonly blocks: number }
  /** `done` of `total` units of one phase of one block (`block` counts from 0). Rate-limit when rendering. */
  | {
      readonly kind: 'step';
      readonly stage: Stage;
      readonly phase: Phase;
      readonly block: number;
      readonly blocks: number;
      readonly done: number;
      readonly total: number;
      /** Tokens that went through the model per second of this stage so far; absent until known. */
      readonly tokensPerSecond?: number;
      /** Seconds until the stage ends, from the blocks done so far; absent until known. */
      readonly etaSeconds?: number;
    }
  /** A block is finished. `sparsity` is over the block's prunable weights, 0 for a pass that doesn't prune. */
  | {
      readonly kind: 'block';
      readonly stage: Stage;
      readonly block: number;
      readonly blocks: number;
      readonly seconds: number;
      readonly sparsity?: number;
      readonly outputError?: number;
    }
  | { readonly kind: 'stage-end'; readonly stage: Stage; readonly seconds: number }
  /** Something that did not go as the user would assume; also kept in the report's `notes`. */
  | { readonly kind: 'note'; readonly message: string };

export type ProgressListener = (event: ProgressEvent) => void;
