/**
 * secateur's figures against a peer's.
 * @module
 */
import { EQUAL_PERPLEXITY, TARGETS } from './cases.mjs';

/** The middle value, or the mean of the two middle ones. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Median, least and greatest of each figure of one peer's successful runs of a case; undefined without any. */
export function figuresOf(runs, evaluations, peer, name) {
  const own = runs.filter((run) => run.peer === peer && run.case === name && run.status === 'ok');
  if (own.length === 0) return undefined;
  const spread = (figure) => {
    const values = own.map(figure);
    return { median: median(values), least: Math.min(...values), greatest: Math.max(...values) };
  };
  const evaluation = evaluations.find(
    (each) => each.peer === peer && each.case === name && each.status === 'ok',
  );
  return {
    runs: own.length,
    wall: spread((run) => run.wall_seconds),
    prune: spread((run) => run.seconds.prune),
    memory: spread((run) => run.peak_rss_bytes),
    perplexity: evaluation?.perplexity ?? null,
    sparsity: evaluation?.sparsity ?? null,
  };
}

/**
 * The ratios of a case against a peer, each with its target and whether it was met; null where there is no figure.
 * Speeds are of the whole process, with start-up and without evaluation.
 */
export function compare(runs, evaluations, peer, { name, method }) {
  const ours = figuresOf(runs, evaluations, 'secateur', name);
  const theirs = figuresOf(runs, evaluations, peer, name);
  if (!ours || !theirs) return undefined;
  const targets = TARGETS[peer];
  const speed = theirs.wall.median / ours.wall.median;
  const memory = ours.memory.median / theirs.memory.median;
  const perplexity =
    ours.perplexity === null || theirs.perplexity === null ? null : ours.perplexity / theirs.perplexity;
  const fastEnough = targets.speed[method];
  return {
    peer,
    case: name,
    runs: Math.min(ours.runs, theirs.runs),
    times_as_fast: { ratio: speed, target: fastEnough, met: speed >= fastEnough },
    times_as_fast_without_start: { ratio: theirs.prune.median / ours.prune.median },
    share_of_memory: { ratio: memory, target: targets.memory, met: memory <= targets.memory },
    perplexity: {
      ratio: perplexity,
      target: targets.perplexity ? 1 + EQUAL_PERPLEXITY : null,
      met: targets.perplexity && perplexity !== null ? perplexity <= 1 + EQUAL_PERPLEXITY : null,
    },
  };
}

const megabytes = (bytes) => `${Math.round(bytes / 1e6).toLocaleString('en')} MB`;
const range = ({ median: middle, least, greatest }, digits) =>
  least === greatest
    ? middle.toFixed(digits)
    : `${middle.toFixed(digits)} (${least.toFixed(digits)}–${greatest.toFixed(digits)})`;

function verdict({ ratio, target, met }, sign) {
  if (ratio === null) return 'not measured';
  const share = ratio.toFixed(sign === '≥' ? 2 : 3);
  return target === null
    ? share
    : `${share} (${sign} ${target.toFixed(sign === '≥' ? 1 : 3)}: ${met ? 'met' : 'missed'})`;
}

/** Two Markdown tables: the figures, and the ratios with their targets. */
export function tables({ runs, evaluations, comparisons }, cases, peers) {
  const lines = [
    '| case | by | wall s | of it pruning s | peak RSS | perplexity | zeros |',
    '|---|---|---|---|---|---|---|',
  ];
  const dense = evaluations.find((each) => each.peer === 'dense' && each.status === 'ok');
  if (dense) lines.push(`| dense | | | | | ${dense.perplexity.toFixed(2)} | |`);
  for (const { name } of cases) {
    for (const peer of ['secateur', ...peers]) {
      const figures = figuresOf(runs, evaluations, peer, name);
      if (!figures) {
        lines.push(`| ${name} | ${peer} | failed | | | | |`);
        continue;
      }
      const { wall, prune, memory, perplexity, sparsity } = figures;
      lines.push(
        `| ${name} | ${peer} | ${range(wall, 1)} | ${range(prune, 1)} | ${megabytes(memory.median)} | ` +
          `${perplexity?.toFixed(2) ?? ''} | ${sparsity === null ? '' : `${(100 * sparsity).toFixed(3)} %`} |`,
      );
    }
  }
  if (comparisons.length > 0) {
    lines.push(
      '',
      '| case | against | times as fast | share of its peak RSS | perplexity ÷ its own |',
      '|---|---|---|---|---|',
    );
    for (const each of comparisons) {
      lines.push(
        `| ${each.case} | ${each.peer} | ${verdict(each.times_as_fast, '≥')} | ` +
          `${verdict(each.share_of_memory, '≤')} | ${verdict(each.perplexity, '≤')} |`,
      );
    }
  }
  return lines.join('\n');
}
