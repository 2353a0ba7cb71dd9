/**
 * What a run tells while it works. Rendering is somebody else's business.
 * @module
 */

/** The parts of a command that tell how far they are, in the order they happen. */
export type Stage =
  | 'check'
  | 'evaluate dense'
  | 'allocate'
  | 'gradients'
  | 'prune'
  | 'verify'
  | 'evaluate pruned';

/** What a stage is doing right now. */
export type Phase =
  | 'read'
  | 'forward'
  | 'backward'
  | 'statistics'
  | 'solve'
  | 'propagate'
  | 'write'
  | 'logits'
  | 'verify';

/** The parts of a run that its report accounts for, in the order they happen. */
export const REPORT_STAGES = [
  'prepare',
  'check',
  'evaluate dense',
  'allocate',
  'gradients',
  'reuse',
  'prune',
  'verify',
  'evaluate pruned',
  'finish',
] as const;

/** What the time of a stage goes to; `other` is what falls between the rest. */
export const REPORT_PHASES = [
  'open',
  'tokenise',
  'start workers',
  'read',
  'forward',
  'backward',
  'statistics',
  'solve',
  'propagate',
  'write',
  'logits',
  'verify',
  'report',
  'stop workers',
  'other',
] as const;

export type ReportStage = (typeof REPORT_STAGES)[number];
export type ReportPhase = (typeof REPORT_PHASES)[number];

export type ProgressEvent =
  /** A stage begins; `blocks` is how many transformer blocks it will visit. */
  | { readonly kind: 'stage'; readonly stage: Stage; readonly blocks: number }
  /**
   * `done` of `total` units of one phase of one block, or of all of them in the forward before gradients. `block` counts from 0,
   * and goes down where gradients do. Rate-limit when rendering.
   */
  | {
      readonly kind: 'step';
      readonly stage: Stage;
      readonly phase: Phase;
      readonly block: number;
      readonly blocks: number;
      /** Blocks that the stage is done with. */
      readonly blocksDone: number;
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
      /** With this one. */
      readonly blocksDone: number;
      readonly seconds: number;
      readonly sparsity?: number;
      readonly outputError?: number;
    }
  | { readonly kind: 'stage-end'; readonly stage: Stage; readonly seconds: number }
  /** A model comes from the hub, before the first stage: at the beginning, and whenever bytes came. Rate-limit when rendering. */
  | {
      readonly kind: 'download';
      /** `org/name` */
      readonly model: string;
      /** Files that were missing, and how many of them are there. */
      readonly files: number;
      readonly filesDone: number;
      readonly bytes: number;
      readonly bytesDone: number;
      /** Absent until known. */
      readonly bytesPerSecond?: number;
      readonly etaSeconds?: number;
    }
  /** All files are there; `received` bytes of them came over the network. */
  | {
      readonly kind: 'download-end';
      readonly model: string;
      readonly files: number;
      readonly received: number;
      readonly seconds: number;
    }
  /** Something that did not go as the user would assume; also kept in the report's `notes`. */
  | { readonly kind: 'note'; readonly message: string };

export type ProgressListener = (event: ProgressEvent) => void;
