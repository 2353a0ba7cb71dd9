// The tables of docs/models.md.
import { describedTensors, storedName } from '../../dist/model/check-tensors.js';
import { linearKind } from '../../dist/report/linear-kind.js';

const BEGIN = '<!-- families: begin -->';
const END = '<!-- families: end -->';

/** Fields of configs that say how large a checkpoint is, or nothing about the computation. */
const COMMON = new Set(
  `architectures model_type dtype torch_dtype transformers_version use_cache initializer_range vocab_size
  hidden_size intermediate_size num_hidden_layers num_attention_heads max_position_embeddings n_embd n_head n_layer
  n_positions n_ctx n_inner n_embed seq_length ffn_dim ffn_hidden_size d_model n_heads n_layers max_seq_len rope_theta rms_norm_eps layer_norm_eps
  layer_norm_epsilon norm_eps norm_epsilon tie_word_embeddings`.split(/\s+/),
);

function isCommon(key, value) {
  if (key === 'hidden_act') return value === 'silu';
  return COMMON.has(key) || value === null || /_token_(id|index)$|dropout|pdrop$|^vision_/.test(key);
}

/** What a variant's config asks for, beside sizes. */
function settings(config) {
  const { text_config: text, ...own } = config;
  const entries = Object.entries({ ...own, ...text }).filter(([key, value]) => !isCommon(key, value));
  return entries.map(([key, value]) => `\`${key}: ${settingText(value)}\``).join(', ');
}

function settingText(value) {
  if (Array.isArray(value)) return `[${value.map(settingText).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  const inner = Object.entries(value ?? {}).map(([key, each]) => `${key}: ${settingText(each)}`);
  return `{${inner.join(', ')}}`;
}

const unique = (list) => [...new Set(list)];
const code = (names) => names.map((name) => `\`${name}\``).join(', ');

/** Where the linears lie that aren't tensors of their own. */
function fusedText(linears) {
  const byTensor = new Map();
  for (const linear of linears.filter(({ stored }) => stored)) {
    const kind = linearKind(linear.tensor);
    byTensor.set(kind, [...(byTensor.get(kind) ?? []), linear]);
  }
  const texts = [...byTensor].map(([tensor, parts]) => {
    const names = unique(parts.map(({ name }) => linearKind(name))).filter((name) => name !== tensor);
    const shown = names.map((name) => (name.startsWith(`${tensor}.`) ? name.slice(tensor.length) : name));
    const transposed = parts.some(({ stored }) => stored.columnStride !== 1) ? ' transposed' : '';
    return `\`${tensor}\`${transposed}${shown.length === 0 ? '' : `: ${code(shown)}`}`;
  });
  return texts.join('; ');
}

/** Most kinds of tensors that the model doesn't use and that are listed. */
const LISTED = 4;
/** What is only counted as something that is there. */
const VECTORS = ['biases', 'norms'];

/** Kinds of the tensors that stay as they are, by what they are. */
function denseText({ checkpoint, model, runs }) {
  const pruned = new Set(runs[0].linears.map((linear) => linear.tensor));
  const described = new Set(describedTensors(model).map(storedName));
  const { embedding, head } = model;
  const around = new Map([
    [head.name, 'head'],
    [embedding.name, head.name === embedding.name ? 'embedding and head' : 'embedding'],
  ]);
  const groupOf = ({ name, shape }) => {
    if (!described.has(name)) return 'not used';
    if (around.has(name)) return around.get(name);
    if (name.endsWith('.bias')) return 'biases';
    if (/norm|ln/.test(name)) return 'norms';
    if (shape.length === 1) return 'other vectors';
    if (/pos|wpe/.test(name)) return 'positions';
    return /gate|router/.test(name) ? 'router' : 'other matrices';
  };
  const groups = new Map();
  for (const tensor of checkpoint.tensors.values()) {
    if (pruned.has(tensor.name)) continue;
    const group = groupOf(tensor);
    groups.set(group, [...(groups.get(group) ?? []), tensor.name]);
  }
  const texts = [...groups].sort().map(([group, names]) => {
    const kinds = unique(names.map(linearKind));
    if (VECTORS.includes(group)) return group;
    return group === 'not used' && kinds.length > LISTED
      ? `${names.length} that the text model doesn't use`
      : `${group} ${code(kinds)}`;
  });
  return texts.join('; ');
}

function prunedText({ runs }) {
  const [first] = runs;
  const halved = first.linears.filter(({ pattern }) => !pattern.includes(':'));
  const count = first.linears.length - halved.length;
  const kinds = code(unique(halved.map(({ name }) => linearKind(name))));
  return halved.length === 0 ? `${count}` : `${count}; ${halved.length} to half, not divided by 4: ${kinds}`;
}

function beside(ours, theirs) {
  return `${ours.toPrecision(6)} / ${theirs?.toPrecision(6) ?? '–'}`;
}

function markdownTable(titles, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n');
}

/**
 * @param cases as pruneFamily gives them
 * @param results by name, as check-families.py writes them
 * @param errors by name, as test/model/families.test.ts measures them: { logits, gradients }
 */
function tables(cases, results, errors) {
  const goals = unique(cases.flatMap(({ runs }) => runs.map(({ goal }) => goal)));
  const keyOf = (each) => `${typeText(each)} ${each.name}`;
  const sorted = [...cases].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const checked = sorted.map((each) => [
    typeText(each),
    each.name,
    settings(each.checkpoint.config),
    prunedText(each),
    fusedText(each.runs[0].linears),
    denseText(each),
  ]);
  const measured = sorted.map((each) => {
    const result = results[each.name];
    const error = errors.get(each.name);
    return [
      each.name,
      error?.logits.toExponential(1) ?? '–',
      error?.gradients.toExponential(1) ?? '–',
      beside(each.perplexity, result.dense.perplexity),
      ...goals.map((goal) => {
        const run = each.runs.find((one) => one.goal === goal);
        return run ? beside(run.perplexity, result[goal].perplexity) : '–';
      }),
    ];
  });
  const what = [
    'model_type',
    'variant',
    'settings beside sizes',
    'linears at 2:4',
    'parts of tensors',
    'stays dense',
  ];
  const figures = ['variant', 'logits', 'gradients', 'dense', ...goals.map((goal) => `pruned, ${goal}`)];
  return `${markdownTable(what, checked)}\n\n${markdownTable(figures, measured)}`;
}

/** `model_type` of the checkpoint and, where that has a text model in it, of that. */
function typeText({ checkpoint, model }) {
  const outer = checkpoint.config.model_type;
  return outer === model.family ? `\`${outer}\`` : `\`${outer}\`: \`${model.family}\``;
}

/** The document with new tables between its marks. */
export function withTables(document, cases, results, errors) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`no ${BEGIN} … ${END} in the document`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${tables(cases, results, errors)}\n\n${document.slice(end)}`;
}
