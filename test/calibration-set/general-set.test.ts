/** What calibration/README.md promises of the texts. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (name: string) => readFileSync(new URL(`../../calibration/${name}`, import.meta.url), 'utf8');

interface Passage {
  readonly kind: string;
  readonly language?: string;
  readonly text?: string;
  readonly messages?: readonly { readonly role: string; readonly content: string }[];
}

const passages = read('general.jsonl')
  .trim()
  .split('\n')
  .map((line): Passage => JSON.parse(line));
const heldOut = read('heldout.txt');
const content = ({ text, messages }: Passage) =>
  text ?? (messages ?? []).map((message) => message.content).join('\n');

/** Every run of 13 words. */
function runs(text: string): Set<string> {
  const words = text.split(/\s+/).filter(Boolean);
  return new Set(
    Array.from({ length: Math.max(0, words.length - 12) }, (_, i) => words.slice(i, i + 13).join(' ')),
  );
}

describe('general.jsonl', () => {
  it('has at least 120 passages and 60 KB', () => {
    expect(passages.length).toBeGreaterThanOrEqual(120);
    expect(passages.reduce((sum, passage) => sum + Buffer.byteLength(content(passage)), 0)).toBeGreaterThan(
      60_000,
    );
  });

  it('has a kind and either text or messages in every line', () => {
    for (const passage of passages) {
      expect(passage.kind).toMatch(/^[a-z-]+$/);
      expect([passage.text, passage.messages].filter((field) => field !== undefined)).toHaveLength(1);
      expect(content(passage).length).toBeGreaterThan(40);
    }
  });

  it('has conversations whose roles take turns', () => {
    const conversations = passages.flatMap(({ messages }) => (messages ? [messages] : []));
    expect(conversations.length).toBeGreaterThanOrEqual(15);
    for (const messages of conversations) {
      const turns = messages[0]?.role === 'system' ? messages.slice(1) : messages;
      expect(turns.length).toBeGreaterThanOrEqual(2);
      for (const [i, { role }] of turns.entries()) expect(role).toBe(i % 2 === 0 ? 'user' : 'assistant');
    }
  });

  it('covers exposition, dialogue, instructions, code, arithmetic, tables, letters and a few languages', () => {
    const kinds = new Set(passages.map(({ kind }) => kind));
    for (const kind of ['exposition', 'dialogue', 'instructions', 'code', 'arithmetic', 'table', 'letter']) {
      expect(kinds).toContain(kind);
    }
    const languages = new Set(passages.flatMap(({ language }) => language ?? []));
    expect(languages.size).toBeGreaterThanOrEqual(6);
  });

  it('repeats no run of 13 words from one passage to another', () => {
    const seen = new Set<string>();
    for (const passage of passages) {
      const own = runs(content(passage));
      for (const run of own) expect(seen.has(run), run).toBe(false);
      for (const run of own) seen.add(run);
    }
  });
});

describe('heldout.txt', () => {
  it('is long enough for windows, and shares no run of 13 words with the calibration set', () => {
    expect(Buffer.byteLength(heldOut)).toBeGreaterThan(20_000);
    const known = new Set(passages.flatMap((passage) => [...runs(content(passage))]));
    for (const run of runs(heldOut)) expect(known.has(run), run).toBe(false);
  });
});
