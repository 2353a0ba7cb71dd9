/**
 * The schema of `run.yaml`, built from the methods and allocations that are registered.
 * @module
 */
import { z } from 'zod';
import { DEFAULT_REVISION, isRepositoryId, isRevision } from '../hub/repository.js';
import { bosOptions } from './bos-option.js';
import { didYouMean, found } from './describe-issue.js';
import { parseSize, sizeForms, sizePattern } from './parse-size.js';
import { hubAddressForm, parseTextSource, type TextSource } from './text-source.js';

/** Most calibration tokens a run may ask for: 1 GiB of 32-bit ids, far above what any method profits from. */
export const maximumCalibrationTokens = 2 ** 28;

/** Longest group of an N:M pattern; hardware knows 4, papers go up to 64. */
const maximumGroup = 1024;

/** Most workers a run may ask for. */
const maximumWorkers = 256;

function sparsityError(issue: { readonly input?: unknown }): string {
  const value = issue.input;
  const percent = typeof value === 'string' ? /^(\d+(?:\.\d+)?) ?%$/.exec(value.trim())?.[1] : value;
  const number = Number(percent);
  let hint = '';
  if (number > 1 && number < 100) hint = `: write ${Number((number / 100).toPrecision(12))} for ${number} %`;
  else if (value === 1 || number === 100) hint = ': that would remove every weight';
  else if (typeof value === 'string' && /^\d+:\d+$/.test(value))
    hint = ': an N:M pattern goes under the key pattern';
  return `expected a fraction from 0 up to but not including 1, found ${found(value)}${hint}`;
}

const sparsity = z
  .number({ error: sparsityError })
  .min(0, { error: sparsityError })
  .lt(1, { error: sparsityError })
  .describe('Fraction of the weights to set to zero: at least 0, below 1.');

function patternError(issue: { readonly input?: unknown }): string {
  const value = issue.input;
  const parts = typeof value === 'string' ? /^(\d+) ?: ?(\d+)$/.exec(value.trim()) : null;
  const [n, m] = [Number(parts?.[1]), Number(parts?.[2])];
  let hint = '';
  if (n > m && m >= 1) hint = `; did you mean "${m}:${n}"?`;
  else if (parts && n === m) hint = ': that keeps everything';
  else if (n === 0) hint = ': that keeps nothing';
  else if (m > maximumGroup) hint = `: groups go up to ${maximumGroup}`;
  else if (typeof value === 'number' && value >= 0 && value < 1)
    hint = ': a fraction goes under the key sparsity';
  return `expected N:M, keep N of every M, with 1 ≤ N < M (for example "2:4"), found ${found(value)}${hint}`;
}

const pattern = z
  .string({ error: patternError })
  .regex(/^[1-9]\d{0,3}:[1-9]\d{0,3}$/, { error: patternError })
  .refine(
    (text) => {
      const [n = 0, m = 0] = text.split(':').map(Number);
      return n < m && m <= maximumGroup;
    },
    { error: patternError },
  )
  .describe('N:M, keep N of every M consecutive inputs of a row: "2:4" keeps 2 of 4, "1:4" keeps 1.');

/** Whether a value is there; `key` goes into maps where it has dots. */
function isPresent(value: unknown, key: string): boolean {
  const [first = '', ...rest] = key.split('.');
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, first)) return false;
  return rest.length === 0 || isPresent((value as Record<string, unknown>)[first], rest.join('.'));
}

/** A refinement: exactly one of `keys` is present, of which at most one, the last, has dots. */
function exactlyOneOf(keys: readonly string[]) {
  return (
    value: unknown,
    context: { addIssue(issue: z.core.$ZodRawIssue<z.core.$ZodIssueCustom>): void },
  ): void => {
    if (typeof value !== 'object' || value === null) return;
    const present = keys.filter((key) => isPresent(value, key));
    const list = keys.join(', ').replace(/, (?=[^,]*$)/, ' or ');
    if (present.length === 0) {
      const message = `missing ${list}; exactly one of them is needed`;
      context.addIssue({ code: 'custom', input: value, path: [], message });
    } else if (present.length > 1) {
      const message = `${present.join(' and ')} are both given; exactly one of ${list} is allowed`;
      context.addIssue({
        code: 'custom',
        input: value,
        path: [present.findLast((key) => !key.includes('.')) as string],
        message,
        params: { either: present },
      });
    }
  };
}

/** Lets a refinement look at an object whose other keys are wrong, so that one run tells everything. */
const evenWhenWrong = { when: () => true };

const text = z.string().min(1);

const sizeError = ({ input }: { readonly input?: unknown }) => `expected ${sizeForms}, found ${found(input)}`;

const size = z
  .union(
    [
      z.int({ error: sizeError }).min(1, { error: sizeError }),
      z.string().regex(sizePattern, { error: sizeError }),
    ],
    {
      error: sizeError,
    },
  )
  .transform((value, context) => {
    const bytes = parseSize(value);
    if (bytes !== undefined) return bytes;
    context.issues.push({ code: 'custom', input: value, message: sizeError({ input: value }) });
    return z.NEVER;
  });

const field = text
  .exactOptional()
  .describe('The field or column with the text or the messages; text or messages when left out.');

/** In the place of "missing" alone. */
const whenMissing =
  (message: string) =>
  ({ input }: { readonly input?: unknown }) =>
    input === undefined ? message : undefined;

const fileSourceShape = {
  path: z
    .string({ error: whenMissing('missing; give path, or hub and files') })
    .min(1)
    .describe(
      `A .txt, a .jsonl or .json with one object a line, one of them as .gz or .zst, or a .parquet; or ${hubAddressForm}.`,
    ),
  field,
};

const hubSourceShape = {
  hub: text
    .refine(isRepositoryId, { error: ({ input }) => `expected org/name, found ${found(input)}` })
    .describe('In the place of path: a dataset on the Hugging Face hub, org/name.'),
  files: z
    .string({ error: whenMissing('missing; which files of the dataset, for example "data/train-*.parquet"') })
    .min(1)
    .describe(
      'Which files of the dataset, in the order of their names; * stands for any run of characters. Only as much as is needed is fetched.',
    ),
  revision: text
    .refine(isRevision, {
      error: ({ input }) => `expected a branch, a tag or a commit, found ${found(input)}`,
    })
    .default(DEFAULT_REVISION)
    .describe('Branch, tag or commit of the dataset.'),
  field,
};

/** A path or `hf://…`, as {@link parseTextSource} reads them. */
const textSourceText = text.transform((value, context) => {
  const source = parseTextSource(value);
  if (source !== undefined) return source;
  context.issues.push({ code: 'custom', input: value, message: hubAddressForm });
  return z.NEVER;
});

/** What one source may be, for messages. */
const sourceForms = 'the path of a text file, or a map with path or hub';

/** @param forms that are expected */
const textSourceError =
  (forms: string) =>
  ({ input }: { readonly input?: unknown }) => {
    const isAddress = typeof input === 'string' && parseTextSource(input) === undefined;
    return `expected ${isAddress ? hubAddressForm : forms}, found ${found(input)}`;
  };

/** A path may be the address of files on the hub. */
function withAddress<Value extends { readonly path: string }>(
  { path, ...rest }: Value,
  context: z.core.ParsePayload,
): TextSource & Omit<Value, 'path'> {
  const source = parseTextSource(path);
  if (source !== undefined) return { ...source, ...rest };
  const message = `expected ${hubAddressForm}, found ${found(path)}`;
  context.issues.push({ code: 'custom', input: path, path: ['path'], message });
  return z.NEVER;
}

const evaluationForms = [
  z.strictObject(fileSourceShape).transform(withAddress),
  z.strictObject(hubSourceShape),
] as const;

const weight = z
  .number()
  .positive()
  .default(1)
  .describe('Share of the samples, relative to the other entries of a list.');

const calibrationForms = [
  textSourceText.transform((source) => ({ ...source, weight: 1 })),
  z.strictObject({ ...fileSourceShape, weight }).transform(withAddress),
  z.strictObject({ ...hubSourceShape, weight }),
] as const;

const expertsSchema = z.strictObject({
  minimum_tokens: z
    .int()
    .positive()
    .default(32)
    .describe(
      'Fewest tokens that an expert is measured on: of the calibration windows, and of those that gradients are taken over. An allocation gives one that gets fewer of its own windows the goal itself.',
    ),
  fallback: z
    .enum(['error', 'all_tokens', 'magnitude'])
    .default('error')
    .describe(
      'What becomes of an expert that gets fewer. error: the run stops and names it; all_tokens: it is measured on all tokens of the windows, as if they went to it (not for methods that learn from gradients); magnitude: its weights are pruned by their size. The report says which.',
    ),
});

/** @param what begins with BOS */
const bos = (what: string) =>
  z
    .enum(bosOptions)
    .default('auto')
    .describe(
      `Whether ${what} begin with the tokenizer's BOS token, which counts as one of their tokens. auto: for models that need it (Gemma). A BOS that the text has there itself is not doubled.`,
    );

const calibrationSchema = z
  .strictObject({
    data: z
      .union(
        [
          ...calibrationForms.map((each) => each.transform((source) => [source])),
          z.array(z.union(calibrationForms, { error: textSourceError(sourceForms) })).min(1),
        ],
        { error: textSourceError('the path of a text file, a map with path or hub, or a list of these') },
      )
      .transform((sources): (TextSource & { readonly weight: number })[] => sources)
      .describe(
        'Text to measure activations on: the path of a file, hf://datasets/org/name/files, a map that says more, or a list of these; maps may have weights.',
      ),
    samples: z
      .int()
      .min(1)
      .default(128)
      .describe(
        `How many windows of tokens; all windows together have ${maximumCalibrationTokens.toLocaleString('en-US')} tokens at most.`,
      ),
    sequence_length: z
      .int()
      .min(2)
      .default(2048)
      .describe("Tokens a window; capped at the model's own limit, and the cap is reported."),
    windows: z
      .enum(['contiguous', 'random', 'document'])
      .default('contiguous')
      .describe(
        'contiguous: one after the other from the start; random: seeded start positions; document: the beginning of each document that is long enough.',
      ),
    seed: z.int().nonnegative().default(0).describe('Seed of the random start positions.'),
    bos: bos('windows'),
    inputs: z
      .enum(['auto', 'pruned', 'mixed', 'dense'])
      .default('auto')
      .describe(
        'What a linear is measured on. pruned: what it will read once the linears before it in its block are pruned, so that it makes up for them; mixed: the same, but what attention gives as it is before attention is pruned; dense: what it reads in the unpruned block, as in the published code of Wanda and SparseGPT. The blocks before are pruned in any case. mixed computes attention twice, dense the whole block. auto: mixed in a block where any of the queries, keys and values gets an N:M pattern, from the goal or from a rule, without recovery; otherwise pruned.',
      ),
    recovery: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe(
        'How much of what the residual stream has lost to pruning each linear that writes into it is to make up for, where the method or the update measures Gram matrices (sparsegpt, thanos, admm, alps, loss_change, least_squares): 0 for none, 1 for all of it. 0.3 to 0.5 did best. Takes the windows through the dense model as well, keeps them on the disk twice, and needs inputs pruned.',
      ),
    experts: expertsSchema
      .prefault({})
      .describe(
        'Experts that get few of the tokens, in models of which each token goes through a few experts.',
      ),
  })
  .superRefine((value, context) => {
    if (value.samples * value.sequence_length <= maximumCalibrationTokens) return;
    context.addIssue({
      code: 'custom',
      path: ['samples'],
      message: `samples × sequence_length is ${value.samples * value.sequence_length} tokens, the limit is ${maximumCalibrationTokens}`,
    });
  })
  .superRefine(({ inputs, recovery }, context) => {
    if (recovery === 0 || inputs === 'auto' || inputs === 'pruned') return;
    context.addIssue({
      code: 'custom',
      path: ['inputs'],
      input: inputs,
      message: `with recovery, inputs are measured pruned, not ${inputs}; leave inputs out`,
    });
  });

const ruleSchema = z
  .strictObject({
    match: text.describe('Glob over tensor names without .weight; * stands for any run of characters.'),
    keep: z.literal('dense').exactOptional().describe('Leave the matching linears as they are.'),
    sparsity: sparsity.exactOptional(),
    pattern: pattern.exactOptional(),
  })
  .superRefine(exactlyOneOf(['keep', 'sparsity', 'pattern']), evenWhenWrong)
  .meta({ oneOf: [{ required: ['keep'] }, { required: ['sparsity'] }, { required: ['pattern'] }] });

const existingZeros = z
  .enum(['count', 'keep'])
  .default('count')
  .describe(
    'Weights that are zero in the source. count: they count toward the goal and go by their score, and a method that makes up for removed weights may give them a value again; keep: they are part of every mask, so that none gets a value; where they are more than the goal, the result is that much sparser.',
  );

const evaluationSchema = z.strictObject({
  data: z
    .union([textSourceText, ...evaluationForms], {
      error: textSourceError(sourceForms),
    })
    .describe(
      'Held-out text for perplexity before and after, as an entry of calibration.data without weight.',
    ),
  context: z
    .int()
    .min(2)
    .default(2048)
    .describe(
      "Tokens a window; the windows do not overlap. Where the model's own limit is less, that is used, and a note says so.",
    ),
  windows: z
    .int()
    .min(1)
    .exactOptional()
    .describe('How many windows from the start; all when left out. One alone gives no standard error.'),
  bos: bos('the windows of data'),
  calibration_windows: z
    .int()
    .nonnegative()
    .default(32)
    .describe('How many of the calibration windows are evaluated before and after as well; 0 for none.'),
});

const writeSchema = z.strictObject({
  max_shard_size: size.prefault('5GB').describe('Largest shard of the written checkpoint, in decimal units.'),
  dtype: z
    .enum(['auto', 'same'])
    .default('auto')
    .describe(
      'auto keeps the dtypes of the source, and writes what it has in FP8 or MXFP4 decoded, in bf16; same keeps these encodings too.',
    ),
});

const workersError = ({ input }: { readonly input?: unknown }) =>
  `expected auto or an integer from 1 to ${maximumWorkers}, found ${found(input)}`;

const resourcesSchema = z.strictObject({
  workers: z
    .union(
      [
        z.literal('auto'),
        z.int().min(1, { error: workersError }).max(maximumWorkers, { error: workersError }),
      ],
      { error: workersError },
    )
    .default('auto')
    .describe(
      'Worker threads; auto takes one a core, 16 at most. Steps of regional optimisation of one window take two threads whatever it says.',
    ),
  memory_limit: z
    .union([z.literal('auto'), size], { error: (issue) => `expected auto, or ${sizeError(issue).slice(9)}` })
    .prefault('auto')
    .describe(
      'Most memory the run may take, of which a sixth is left to what estimates miss; auto takes what the machine has free.',
    ),
});

/** Text to calibrate on, and how windows are cut from it. Paths are absolute once loaded. */
export type CalibrationConfig = z.output<typeof calibrationSchema>;

/** What the linears whose names match are to become; exactly one of `keep`, `sparsity`, `pattern` is there. */
export type PruneRule = z.output<typeof ruleSchema>;

/** Text to measure perplexity on before and after. */
export type EvaluationConfig = z.output<typeof evaluationSchema>;

/** What to prune, how and how much; exactly one of `sparsity`, `pattern` and a goal among the method's options is there. */
export interface PruneConfig {
  method: string;
  sparsity?: number;
  pattern?: string;
  /** `name`, and the allocation's own options with their defaults. */
  allocation: { name: string; [option: string]: unknown };
  /** The method's own options with their defaults, as its schema puts them out. */
  options: Record<string, unknown>;
  /** What swaps pruned weights for others, and its own options with their defaults; `none` for nothing. */
  refine: { name: string; [option: string]: unknown };
  /** What gives the survivors other weights, and its own options with their defaults; `none` for nothing. */
  update: { name: string; [option: string]: unknown };
  /** What becomes of weights that are zero in the source. */
  existing_zeros: z.output<typeof existingZeros>;
  /** The first that matches a name wins. */
  rules: PruneRule[];
}

/** A run file with every default written out. Sizes are bytes. */
export interface RunConfig {
  /** A folder (absolute once loaded), or `org/name[@revision]`. */
  model: string;
  output: string;
  calibration?: CalibrationConfig;
  prune: PruneConfig;
  evaluation?: EvaluationConfig;
  write: z.output<typeof writeSchema>;
  resources: z.output<typeof resourcesSchema>;
}

/** What a run schema is built from: the options that each method, allocation, refinement and update takes. */
export interface RunSchemaParts {
  readonly methods: Readonly<Record<string, z.ZodObject>>;
  /** By method, where it has one: the option that can stand in the place of a sparsity or a pattern. */
  readonly goalOptions?: Readonly<Record<string, string>>;
  readonly allocations: Readonly<Record<string, z.ZodObject>>;
  readonly refinements: Readonly<Record<string, z.ZodObject>>;
  readonly updates: Readonly<Record<string, z.ZodObject>>;
}

function union<T extends z.ZodObject>(key: string, variants: readonly T[]) {
  return z.discriminatedUnion(key, variants as unknown as [T, ...T[]]);
}

/** One of several by its name: the name alone, or a map of it and its options. */
function createChoiceSchema(kind: string, choices: Readonly<Record<string, z.ZodObject>>) {
  const names = Object.keys(choices);
  const full = union(
    'name',
    Object.entries(choices).map(([name, options]) =>
      options
        .safeExtend({ name: z.literal(name) })
        .strict()
        .describe(options.description ?? `${kind} ${name}.`),
    ),
  );
  const short = z.enum(names as [string, ...string[]]).transform((name) => ({ name }));
  return z.union([short.pipe(full as unknown as z.ZodType<unknown, { name: string }>), full], {
    error: ({ input }) =>
      `expected the name of ${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind} (${names.join(', ')}), or a map with name and its options, found ${found(input)}${didYouMean(input, names)}`,
  });
}

/**
 * The schema of a run file. Keys stay snake_case as in the YAML; unknown keys are refused everywhere, also in the
 * options of methods and allocations. Its output is a {@link RunConfig} whose paths are still as they were written.
 */
export function createRunSchema({
  methods,
  goalOptions = {},
  allocations,
  refinements,
  updates,
}: RunSchemaParts): z.ZodType<RunConfig> {
  const allocation = createChoiceSchema('allocation', allocations)
    .prefault('uniform')
    .describe('How the sparsity is shared among the layers: a name, or a map of name and its options.');
  const refine = createChoiceSchema('refinement', refinements)
    .prefault('none')
    .describe(
      'What chooses other weights to prune, as many, before any update: a name, or a map of name and its options.',
    );
  const update = createChoiceSchema('update', updates)
    .prefault('none')
    .describe(
      'What gives the survivors other weights, whatever the method: a name, or a map of name and its options.',
    );
  const variants = Object.entries(methods).map(([name, options]) =>
    z
      .strictObject({
        method: z.literal(name).describe(options.description ?? `Method ${name}.`),
        sparsity: sparsity.exactOptional(),
        pattern: pattern.exactOptional(),
        allocation,
        options: options.strict().prefault({}).describe(`Options of ${name}.`),
        refine,
        update,
        existing_zeros: existingZeros,
        rules: z
          .array(ruleSchema)
          .default([])
          .describe(
            'Exceptions by name; the first that matches wins, so the more special ones go first. One that decides nothing is refused.',
          ),
      })
      .superRefine(
        exactlyOneOf([
          'sparsity',
          'pattern',
          ...(goalOptions[name] === undefined ? [] : [`options.${goalOptions[name]}`]),
        ]),
        evenWhenWrong,
      )
      .meta({
        oneOf: [
          { required: ['sparsity'] },
          { required: ['pattern'] },
          ...(goalOptions[name] === undefined
            ? []
            : [{ required: ['options'], properties: { options: { required: [goalOptions[name]] } } }]),
        ],
      }),
  );
  const schema = z.strictObject({
    model: text.describe(
      'The checkpoint: a folder, or org/name[@revision] on the Hugging Face hub: from its local cache, where what is missing is downloaded to.',
    ),
    output: text.describe('Folder for the pruned checkpoint and its report.'),
    calibration: calibrationSchema
      .exactOptional()
      .describe('Text to learn from which weights matter; methods that only look at weights need none.'),
    prune: union('method', variants).describe('What to prune, how and how much.'),
    evaluation: evaluationSchema.exactOptional().describe('Perplexity before and after; none when left out.'),
    write: writeSchema.prefault({}).describe('How the checkpoint is written.'),
    resources: resourcesSchema.prefault({}).describe('What the run may use of the machine.'),
  });
  return schema as unknown as z.ZodType<RunConfig>;
}
