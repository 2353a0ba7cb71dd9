/**
 * Which linears are the same one in different blocks.
 * @module
 */

/**
 * The part of a tensor's name that repeats from block to block: `model.layers.3.mlp.up_proj.weight` →
 * `mlp.up_proj`. Further indices (experts) become `*`; a name without an index stays as it is.
 */
export function linearKind(name: string): string {
  const parts = name.replace(/\.weight$/, '').split('.');
  const index = parts.findIndex((part) => /^\d+$/.test(part));
  if (index === -1 || index === parts.length - 1) return parts.join('.');
  return parts
    .slice(index + 1)
    .map((part) => (/^\d+$/.test(part) ? '*' : part))
    .join('.');
}

/** Shortens kinds to their last segment (`self_attn.q_proj` → `q_proj`) where no two of them then agree. */
export function shortKinds(kinds: readonly string[]): Map<string, string> {
  const last = (kind: string) => kind.slice(kind.lastIndexOf('.') + 1);
  const uses = new Map<string, number>();
  for (const kind of kinds) uses.set(last(kind), (uses.get(last(kind)) ?? 0) + 1);
  return new Map(kinds.map((kind) => [kind, uses.get(last(kind)) === 1 ? last(kind) : kind]));
}
