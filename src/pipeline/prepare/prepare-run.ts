/**
 * Everything of a run that can be known before work begins, and everything wrong with it.
 * @module
 */

import { join } from 'node:path';
import {
  type CalibrationSet,
  type EvaluationText,
  loadCalibration,
  loadEvaluationText,
} from '../../calibration/load-calibration.js';
import { requireTextFile, type TextCommits } from '../../calibration/open-text-source.js';
import { loadTokenizer } from '../../calibration/tokenizer.js';
import { type Checkpoint, MAX_CONFIG_BYTES } from '../../checkpoint/checkpoint.js';
import { skippedNotes } from '../../checkpoint/other-files.js';
import { readSmallFile } from '../../checkpoint/read-small-file.js';
import { sampleWeights } from '../../checkpoint/sample-weights.js';
import { planShards, type ShardPlan } from '../../checkpoint/shard-plan.js';
import { withoutMember } from '../../checkpoint/without-member.js';
import type { RunConfig } from '../../config/run-schema.js';
import { parseTextSource, textSourceName } from '../../config/text-source.js';
import { RequestError } from '../../errors.js';
import { checkpointModel } from '../../forward/checkpoint-model.js';
import type { Locate } from '../../forward/model-tensors.js';
import type { BlockPasses } from '../../graph/block-passes.js';
import { targetedAfter } from '../../graph/target-ranges.js';
import { isCommit } from '../../hub/repository.js';
import { requiredTensors } from '../../model/check-tensors.js';
import type { ModelDescription } from '../../model/description.js';
import type { EncodedTensors } from '../../quantization/encoded-tensors.js';
import { MODELOPT_FILE, QUANTIZATION_PATHS } from '../../quantization/quantization-config.js';
import type { ReadableTensor } from '../../quantization/readable-tensors.js';
import { automaticWorkers } from '../../runtime/worker-pool.js';
import { collectGarbage } from '../../system/collect-garbage.js';
import { version } from '../../version.js';
import { bindMethod } from '../methods/bind-method.js';
import type { BoundMethod, GradientNeeds, LossNeeds } from '../methods/method.js';
import { type OpenModelOptions, openModel } from '../open-model.js';
import { checkOutputFolder } from '../output/output-folder.js';
import { PhaseTimer } from '../progress/phase-timer.js';
import { type BoundAllocation, bindAllocation } from './bind-allocation.js';
import { type FingerprintParts, fingerprint, SOURCE_WEIGHTS } from './fingerprint.js';
import { type LayerPlan, planLayers } from './layer-plan.js';
import { type MemorySettings, roomySettings } from './memory-settings.js';
import {
  gradientWindows,
  lossWindows,
  type RegionalWindows,
  regionalWindows,
  windowsOf,
} from './method-windows.js';
import { inputsMeasured, prunePlans } from './prune-plans.js';
import { requireFitting, requireFittingExperts } from './require-fitting.js';
import { requireGroupSize } from './require-group-size.js';
import { requireMeasurable } from './require-measurable.js';
import { requireOwnScales } from './require-own-scales.js';
import { decodedNotes, idleNotes, refinementNotes, windowNotes } from './run-notes.js';
import { writtenTensors } from './written-tensors.js';

export interface PreparedRun {
  readonly config: RunConfig;
  readonly checkpoint: Checkpoint;
  /** Of the source, as they are read. */
  readonly tensors: ReadonlyMap<string, ReadableTensor>;
  readonly model: ModelDescription;
  /** Where the source has the model's tensors. */
  readonly locate: Locate;
  readonly method: BoundMethod;
  readonly layers: readonly LayerPlan[];
  readonly allocation: BoundAllocation;
  readonly shards: ShardPlan;
  /** Those of the output's tensors that are codes and scales, by the name of what they stand for. */
  readonly encoded: ReadonlyMap<string, EncodedTensors>;
  /** What the output's files hold in the place of what those of the source do. */
  readonly changedFiles: ReadonlyMap<string, string>;
  readonly calibration: CalibrationSet | undefined;
  /** Calibration windows that go through the model, from the first. */
  readonly windows: number;
  /** Of these, how many go into Gram matrices. */
  readonly gramWindows: number;
  /** How much of what the residual stream has lost the linears that write into it are to make up for; 0 to 1. */
  readonly recovery: number;
  /** Where the method asks for the dense model's gradients: over as many windows and tokens as there are. */
  readonly gradients: GradientNeeds | undefined;
  /** Where it asks for those of each block, or for its optimisation. */
  readonly regional: RegionalWindows | undefined;
  /** Where the method has losses measured: with as many windows and tokens as there are. */
  readonly loss: LossNeeds | undefined;
  readonly evaluation: EvaluationText | undefined;
  /** What was read of datasets whose revision may move. */
  readonly textCommits: TextCommits;
  /** How much of it is in memory at a time. */
  readonly memory: MemorySettings;
  readonly fingerprintParts: FingerprintParts;
  readonly notes: readonly string[];
}

export interface PrepareOptions extends OpenModelOptions {
  /** What an earlier run has read of datasets, to be read again. */
  readonly textCommits?: TextCommits | undefined;
}

/**
 * @param timer told where the time went
 * @param options for what comes from the hub
 * @throws RequestError for anything in the request that can't be done; nothing has been written then
 */
export async function prepareRun(
  config: RunConfig,
  timer: PhaseTimer = new PhaseTimer('prepare'),
  options: PrepareOptions = {},
): Promise<PreparedRun> {
  await requireTexts(config);
  const checkpoint = await openModel(config.model, options);
  checkOutputFolder(config.output, checkpoint.folder);
  const opened = openRun(config, checkpoint);
  timer.lap('open');
  const texts = await loadText(config, checkpoint.folder, opened.model, options);
  // The tokenizer and the texts are needed no more, and are often larger than a block of weights.
  if (texts.calibration || texts.evaluation) collectGarbage();
  timer.lap('tokenise');
  return await withTexts(opened, texts);
}

/**
 * The same as far as it doesn't depend on what is in the texts, which aren't read: the calibration windows have no tokens, and
 * nothing is evaluated.
 * @throws as `prepareRun`
 */
export async function prepareWithoutTexts(config: RunConfig, checkpoint: Checkpoint): Promise<PreparedRun> {
  const opened = openRun(config, checkpoint);
  const { calibration: asked } = config;
  const calibration = asked && {
    tokens: new Int32Array(),
    samples: asked.samples,
    sequenceLength: Math.min(
      asked.sequence_length,
      opened.model.maxSequenceLength ?? Number.POSITIVE_INFINITY,
    ),
    bosTokenId: undefined,
    notes: [],
    sources: [],
    fingerprint: '',
  };
  return await withTexts(opened, { calibration, evaluation: undefined });
}

/** What is known before texts are read. @throws as `prepareRun` */
function openRun(config: RunConfig, checkpoint: Checkpoint) {
  const { tensors, model, locate } = checkpointModel(checkpoint);
  const layers = planLayers(model, config.prune);
  const method = bindMethod(config.prune);
  requireGroupSize(layers, method);
  const recovery = config.calibration?.recovery ?? 0;
  requireFitting(config, method, recovery);
  requireFittingExperts(config, model, method);
  const written = writtenTensors(checkpoint.tensors, writeOrder(tensors, model), config.write.dtype);
  const shards = planShards(written.specs, config.write.max_shard_size);
  return { config, checkpoint, tensors, model, locate, layers, method, recovery, written, shards };
}

interface RunTexts {
  readonly calibration: CalibrationSet | undefined;
  readonly evaluation: EvaluationText | undefined;
}

async function withTexts(
  opened: ReturnType<typeof openRun>,
  { calibration, evaluation }: RunTexts,
): Promise<PreparedRun> {
  const { config, checkpoint, tensors, model, locate, layers, method, recovery, written, shards } = opened;
  const looked = {
    calibration,
    ...windowsOf(method, calibration),
    gradients: gradientWindows(method, calibration),
    regional: regionalWindows(method, calibration),
  };
  const bound = bindAllocation(config.prune, calibration?.samples ?? 0);
  const idle = idleNotes(config, bound, layers);
  const allocation = idle.length > 0 ? { ...bound, looks: false, windows: 0 } : bound;

  const run: PreparedRun = {
    config,
    checkpoint: written.decoded.length > 0 ? withoutModelOptFile(checkpoint) : checkpoint,
    tensors,
    model,
    locate,
    method,
    layers,
    allocation,
    shards,
    encoded: written.encoded,
    changedFiles: written.decoded.length > 0 ? withoutQuantization(checkpoint.folder) : new Map(),
    ...looked,
    recovery,
    loss: lossWindows(method, calibration),
    evaluation,
    textCommits: textCommitsOf(config, calibration, evaluation),
    memory: roomySettings(
      config.resources.workers === 'auto' ? automaticWorkers() : config.resources.workers,
    ),
    fingerprintParts: {
      version,
      'source checkpoint': await checkpoint.hash(),
      'config.json': fingerprint({ config: checkpoint.config }),
      [SOURCE_WEIGHTS]: sampleWeights(checkpoint),
      prune: config.prune,
      'write.max_shard_size': config.write.max_shard_size,
      // What isn't quantized is written as it was, whatever is asked for.
      'write.dtype': written.decoded.length > 0 ? 'auto' : 'same',
      'calibration tokens': calibration?.fingerprint ?? null,
      'calibration.sequence_length': calibration?.sequenceLength ?? null,
      // Where none is put, whatever was asked for is the same run.
      ...(calibration?.bosTokenId !== undefined && { 'calibration.bos': calibration.bosTokenId }),
      'calibration.inputs': inputsPart(opened, calibration, looked.windows),
      'calibration.recovery': config.calibration?.recovery ?? null,
      'calibration.experts': model.blocks.some(({ experts }) => experts)
        ? (config.calibration?.experts ?? null)
        : null,
    },
    notes: [
      ...checkpoint.notes,
      ...(calibration?.notes ?? []),
      ...(evaluation?.notes ?? []),
      ...decodedNotes(written.decoded),
      ...skippedNotes(checkpoint.skippedFiles),
      ...windowNotes(looked),
      ...refinementNotes(config),
      ...idle,
    ],
  };
  requireMeasurable(run);
  if (run.encoded.size > 0) requireOwnScales(run);
  const recovers = (passes: BlockPasses) =>
    passes.passes.some((pass) => targetedAfter(passes, pass).length > 0);
  if (recovery > 0 && !prunePlans(run).some(recovers)) {
    throw new RequestError(
      'calibration.recovery: no linear that is pruned writes straight into the residual stream; leave it out',
    );
  }
  return run;
}

/**
 * What can be said of the texts before a model is downloaded.
 * @throws RequestError when a text that is needed isn't named, or one on the disk isn't there
 */
export async function requireTexts({ prune, calibration, evaluation }: RunConfig): Promise<void> {
  const learning = learnsFromText(prune, bindMethod(prune));
  if (learning !== undefined && !calibration) {
    throw new RequestError(`${learning} learns from calibration text; add calibration: {data: …}`);
  }
  for (const source of [...(calibration?.data ?? []), ...(evaluation ? [evaluation.data] : [])]) {
    await requireTextFile(source);
  }
}

/** What of a request needs calibration text, if anything. */
function learnsFromText(prune: RunConfig['prune'], method: BoundMethod): string | undefined {
  if (method.statistics !== 'none' || method.gradients) return `prune.method ${method.name}`;
  const { name, windows } = bindAllocation(prune, Number.POSITIVE_INFINITY);
  return windows > 0 ? `prune.allocation ${name}` : undefined;
}

/** `calibration.inputs` in the fingerprint: as given, or of every block what it comes to where rules may decide it. */
function inputsPart(
  { config, model, layers }: Pick<PreparedRun, 'config' | 'model' | 'layers'>,
  calibration: CalibrationSet | undefined,
  windows: number,
): unknown {
  const given = config.calibration?.inputs ?? null;
  if (!calibration || windows === 0 || given !== 'auto' || config.prune.rules.length === 0) return given;
  return model.blocks.map((block) => inputsMeasured({ config, layers }, block, calibration.sequenceLength));
}

/** Tensors in the order that they are finished, so that shards fill up one after the other. */
function writeOrder(tensors: ReadonlyMap<string, ReadableTensor>, model: ModelDescription) {
  const order = new Set([...requiredTensors(model).map(({ name }) => name), ...tensors.keys()]);
  return [...order].flatMap((name) => tensors.get(name) ?? []);
}

/** A decoded checkpoint must not be taken for a quantized one. */
function withoutQuantization(folder: string): Map<string, string> {
  const name = 'config.json';
  const text = new TextDecoder().decode(readSmallFile(join(folder, name), MAX_CONFIG_BYTES));
  return new Map([[name, QUANTIZATION_PATHS.reduce(withoutMember, text)]]);
}

function withoutModelOptFile(checkpoint: Checkpoint): Checkpoint {
  return { ...checkpoint, otherFiles: checkpoint.otherFiles.filter((name) => name !== MODELOPT_FILE) };
}

/** By the name of each source that names no commit itself, the one that was read. */
function textCommitsOf(
  config: RunConfig,
  calibration: CalibrationSet | undefined,
  evaluation: EvaluationText | undefined,
): TextCommits {
  const asked = [...(config.calibration?.data ?? []), ...(config.evaluation ? [config.evaluation.data] : [])];
  const read = [...(calibration?.sources ?? []), ...(evaluation ? [evaluation.source] : [])];
  return Object.fromEntries(
    asked.flatMap((source, i) => {
      const found = parseTextSource(read[i]?.source ?? '');
      if ('path' in source || isCommit(source.revision) || !found || 'path' in found) return [];
      return isCommit(found.revision) ? [[textSourceName(source), found.revision]] : [];
    }),
  );
}

async function loadText(
  config: RunConfig,
  folder: string,
  model: ModelDescription,
  { signal, textCommits: commits }: PrepareOptions,
): Promise<RunTexts> {
  if (!config.calibration && !config.evaluation) return { calibration: undefined, evaluation: undefined };
  const tokenizer = await loadTokenizer(folder);
  const { maxSequenceLength, vocabularySize, beginsWithBos } = model;
  const limits = { maxSequenceLength, vocabularySize, beginsWithBos };
  const calibration =
    config.calibration && (await loadCalibration(config.calibration, tokenizer, limits, { signal, commits }));
  const { evaluation } = config;
  const text =
    evaluation &&
    (await loadEvaluationText(
      evaluation.data,
      tokenizer,
      {
        ...limits,
        context: evaluation.context,
        bos: evaluation.bos,
        ...(evaluation.windows === undefined ? {} : { windows: evaluation.windows }),
      },
      { signal, commits },
    ));
  return { calibration, evaluation: text };
}
