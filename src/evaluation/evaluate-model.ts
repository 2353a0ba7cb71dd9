/**
 * Cross-entropy of a checkpoint on sets of windows, streamed block by block.
 * @module
 */
import { hiddenFile } from '../forward/hidden-file.js';
import { HiddenStates } from '../forward/hidden-states.js';
import type { ModelStream } from '../forward/model-stream.js';
import type { Locate } from '../forward/model-tensors.js';
import { planWholeBlock } from '../graph/block-passes.js';

/** Windows of equal length, one after another. */
export interface TokenWindows {
  /** [windows · tokens] */
  readonly ids: Int32Array;
  readonly windows: number;
  /** Tokens a window. */
  readonly tokens: number;
}

export type EvaluationPhase = 'read' | 'forward' | 'logits';

export interface EvaluateOptions {
  /** An existing folder for the hidden states. */
  readonly folder: string;
  onStep?(phase: EvaluationPhase, block: number, done: number, total: number): void;
  onBlock?(block: number, seconds: number): void;
  /** Told the wall time of each part. */
  onSeconds?(phase: EvaluationPhase, seconds: number): void;
}

/**
 * One pass over the checkpoint for all sets together.
 *
 * @returns for each set, the mean cross-entropy of each window in nats
 */
export async function evaluateModel(
  stream: ModelStream,
  locate: Locate,
  sets: readonly TokenWindows[],
  options: EvaluateOptions,
): Promise<Float64Array[]> {
  const timed = async <T>(phase: EvaluationPhase, work: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await work();
    options.onSeconds?.(phase, (performance.now() - started) / 1000);
    return result;
  };
  const states: HiddenStates[] = [];
  const total = sets.reduce((sum, { windows }) => sum + windows, 0);
  try {
    for (const [index, { windows, tokens }] of sets.entries()) {
      const path = hiddenFile(options.folder, 'evaluation', index);
      states.push(
        new HiddenStates(path, windows, tokens, stream.model.hiddenSize, stream.recordBytes(tokens)),
      );
    }
    await timed('read', async () => {
      for (const [index, set] of sets.entries())
        await stream.embed(states[index] as HiddenStates, set.ids, locate);
    });
    for (const [index, block] of stream.model.blocks.entries()) {
      const started = performance.now();
      const weights = await timed('read', () => stream.loadBlock(block, locate));
      await timed('forward', async () => {
        let before = 0;
        for (const set of states) {
          const onWindow = (done: number) => options.onStep?.('forward', index, before + done, total);
          await stream.propagate(block, weights, set, { onWindow });
          before += set.windows;
        }
        // They are loaded over the block.
        for (const set of states) {
          if (block.experts) await stream.runExperts(planWholeBlock(block, set.tokens), set, locate);
        }
      });
      options.onBlock?.(index, (performance.now() - started) / 1000);
    }
    return await timed('logits', async () => {
      const losses: Float64Array[] = [];
      let before = 0;
      for (const [index, set] of states.entries()) {
        const onWindow = (done: number) =>
          options.onStep?.('logits', stream.model.blocks.length - 1, before + done, total);
        losses.push(await stream.crossEntropy(set, (sets[index] as TokenWindows).ids, locate, { onWindow }));
        before += set.windows;
      }
      return losses;
    });
  } finally {
    for (const set of states) set.dispose();
  }
}
