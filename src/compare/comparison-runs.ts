/**
 * The runs of a comparison: a model evaluated, a variant pruned and evaluated, each in a process of its own.
 * @module
 */
import { z } from 'zod';
import type { EvaluationConfig, RunConfig } from '../config/run-schema.js';
import { textSourceName } from '../config/text-source.js';
import { readReport } from '../report/read-report.js';
import type { Report } from '../report/report-schema.js';
import type { ComparisonRow } from './comparison.js';
import { comparisonFiles } from './comparison-files.js';
import { runOwnCommand } from './own-command.js';
import type { Variant } from './variant.js';
import type { VariantRun } from './variant-run.js';

export interface ComparisonRunsOptions {
  /** Leave the pruned checkpoints; otherwise each goes once it is evaluated. */
  readonly keep?: boolean | undefined;
  /** Told what the runs say of their progress, line by line. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const evaluated = z.object({
  checkpoint: z.object({ perplexity: z.number(), standard_error: z.number().nullable() }),
  windows: z.int(),
  bosTokenId: z.int().optional(),
  tokens: z.int(),
});

export class ComparisonRuns {
  readonly #base: RunConfig;
  readonly #evaluation: EvaluationConfig;
  readonly #options: ComparisonRunsOptions;

  constructor(base: RunConfig, evaluation: EvaluationConfig, options: ComparisonRunsOptions) {
    this.#base = base;
    this.#evaluation = evaluation;
    this.#options = options;
  }

  /** @param what for the lines of progress @throws as `runOwnCommand` */
  async evaluate(what: string, folder: string): Promise<z.infer<typeof evaluated>> {
    const { data, context, windows, bos } = this.#evaluation;
    const own = this.#base.resources.workers;
    const most = windows === undefined ? [] : ['--windows', String(windows)];
    const workers = own === 'auto' ? [] : ['--workers', String(own)];
    const field = data.field === undefined ? [] : ['--field', data.field];
    const text = ['--data', textSourceName(data), ...field];
    const cut = ['--context', String(context), ...most, '--bos', bos];
    const args = ['eval', folder, ...text, ...cut, ...workers];
    return evaluated.parse(await this.#command(what, args));
  }

  /** Prunes and evaluates, going on where an earlier call was stopped. @throws as `runOwnCommand` */
  async measure(
    { method, goal, config }: Variant,
    run: VariantRun,
  ): Promise<Omit<ComparisonRow, 'fingerprint'>> {
    const what = `${method} ${goal}`;
    const { isOurs } = run;
    await run.begin(config);
    await this.#command(what, ['prune', run.runFile, '--reuse', comparisonFiles(this.#base.output).shared]);
    const report = await readReport(run.folder);
    const { perplexity, standard_error } = (await this.evaluate(what, run.folder)).checkpoint;
    if (isOurs && !this.#options.keep) run.removeWeights();
    const errors = report.layers.flatMap(({ output_error: error }) => error ?? []);
    return {
      method,
      goal,
      folder: run.name,
      sparsity: report.totals.sparsity,
      perplexity,
      standard_error,
      seconds: secondsAlone(report),
      peak_rss_bytes: peakOf(report),
      output_error:
        errors.length === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / errors.length,
    };
  }

  #command(what: string, args: readonly string[]): Promise<unknown> {
    const { signal, onLine } = this.#options;
    return runOwnCommand(args, { signal, onLine: (line) => onLine?.(`${what}: ${line}`) });
  }
}

/** Stages of looking at the dense model before anything is pruned. */
const LOOKING = new Set(['allocate', 'gradients']);

/**
 * What pruning takes with all that the method asks for, had no other run measured any of it. Where it was stopped, also what it
 * took to bring the windows up to the block that it went on with.
 */
function secondsAlone({ run, phases }: Report): number {
  const looking = phases.filter(({ stage }) => LOOKING.has(stage));
  const others = [run.earlier, run.reused].flatMap((each) => each ?? []);
  return [...looking, ...others].reduce((sum, { seconds }) => sum + seconds, run.prune_seconds);
}

/** Of every process that has a share in the result. */
function peakOf({ run }: Report): number {
  const others = [run.earlier, run.reused].map((each) => each?.peak_rss_bytes ?? 0);
  return Math.max(run.peak_rss_bytes, ...others);
}
