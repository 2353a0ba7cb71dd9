/** What calibration/README.md promises of the texts. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const fileOf = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string) => new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(fileOf(path)));

interface Passage {
  readonly kind: string;
  readonly language?: string;
  readonly text?: string;
  readonly messages?: readonly { readonly role: string; readonly content: string }[];
}

const generalSet = read('calibration/general.jsonl');
const passages = generalSet
  .replace(/\n$/, '')
  .split('\n')
  .map((line): Passage => JSON.parse(line));
const heldOut = read('calibration/heldout.txt');
const content = ({ text, messages }: Passage) =>
  text ?? (messages ?? []).map((message) => message.content).join('\n');

/** Every run of 13 words, whatever their case and punctuation; a CJK character counts as a word. */
function runs(text: string): Set<string> {
  const words =
    text
      .toLowerCase()
      .match(
        /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|(?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}])+/gu,
      ) ?? [];
  return new Set(
    Array.from({ length: Math.max(0, words.length - 12) }, (_, i) => words.slice(i, i + 13).join(' ')),
  );
}

/** Runs of 13 words that two different texts share. */
function sharedRuns(texts: readonly string[]): string[] {
  const seen = new Set<string>();
  const shared: string[] = [];
  for (const text of texts) {
    const own = runs(text);
    for (const run of own) if (seen.has(run)) shared.push(run);
    for (const run of own) seen.add(run);
  }
  return shared;
}

describe('general.jsonl', () => {
  it('has at least 120 passages and 60 KB', () => {
    expect(passages.length).toBeGreaterThanOrEqual(120);
    const bytes = passages.reduce((sum, passage) => sum + Buffer.byteLength(content(passage)), 0);
    expect(bytes).toBeGreaterThan(60_000);
  });

  it('has in every line a kind, either text or messages, perhaps a language, and nothing else', () => {
    for (const passage of passages) {
      const { kind, language, text, messages, ...others } = passage;
      expect(kind).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(language ?? 'en').toMatch(/^[a-z]{2}$/);
      expect([text, messages].filter((field) => field !== undefined)).toHaveLength(1);
      expect(others).toEqual({});
      expect(content(passage).length).toBeGreaterThan(80);
      expect(content(passage)).toBe(content(passage).trim());
    }
  });

  it('has conversations in which user and assistant take turns and the assistant ends', () => {
    const conversations = passages.flatMap(({ messages }) => (messages ? [messages] : []));
    expect(conversations.length).toBeGreaterThanOrEqual(15);
    for (const messages of conversations) {
      const turns = messages[0]?.role === 'system' ? messages.slice(1) : messages;
      expect(turns.length).toBeGreaterThanOrEqual(2);
      for (const [i, { role, content: said }] of turns.entries()) {
        expect(role).toBe(i % 2 === 0 ? 'user' : 'assistant');
        expect(said.trim()).not.toBe('');
      }
      expect(turns.length % 2).toBe(0);
    }
  });

  it('has three passages or more of each promised kind and language', () => {
    const counts = new Map<string, number>();
    for (const { kind, language } of passages) {
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      if (language) counts.set(language, (counts.get(language) ?? 0) + 1);
    }
    for (const kind of ['exposition', 'dialogue', 'instructions', 'code', 'arithmetic', 'table', 'letter']) {
      expect(counts.get(kind), kind).toBeGreaterThanOrEqual(3);
    }
    for (const language of ['es', 'fr', 'de', 'it', 'pt', 'nl', 'pl', 'ru', 'zh', 'ja', 'ar', 'hi']) {
      expect(counts.get(language), language).toBeGreaterThanOrEqual(3);
    }
  });

  it('writes each language in its own script', () => {
    const scripts: Readonly<Record<string, RegExp>> = {
      ru: /\p{Script=Cyrillic}/gu,
      zh: /\p{Script=Han}/gu,
      ja: /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu,
      ar: /\p{Script=Arabic}/gu,
      hi: /\p{Script=Devanagari}/gu,
    };
    for (const passage of passages) {
      const letters = content(passage).match(/[\p{L}\p{M}]/gu) ?? [];
      const expected = scripts[passage.language ?? 'en'] ?? /\p{Script=Latin}/gu;
      const own = content(passage).match(expected) ?? [];
      expect(own.length / letters.length, content(passage).slice(0, 60)).toBeGreaterThan(0.9);
    }
  });

  it('repeats no run of 13 words from one passage to another', () => {
    expect(sharedRuns(passages.map(content))).toEqual([]);
  });

  it('is described by the table in calibration/README.md', () => {
    const table = execFileSync(process.execPath, [fileOf('scripts/calibration-stats.mjs')], {
      encoding: 'utf8',
    });
    expect(table.split('\n').length).toBeGreaterThan(20);
    expect(read('calibration/README.md')).toContain(table);
  });
});

describe('heldout.txt', () => {
  it('has 45 to 60 KB, one paragraph a line', () => {
    expect(Buffer.byteLength(heldOut)).toBeGreaterThan(45_000);
    expect(Buffer.byteLength(heldOut)).toBeLessThan(60_000);
    expect(heldOut).not.toMatch(/\n\n\n|[^\n]\n[^\n]|[ \t]\n/);
  });

  it('shares no run of 13 words with the calibration set, and repeats none', () => {
    expect(sharedRuns([passages.map(content).join('\n'), heldOut])).toEqual([]);
    expect(sharedRuns(heldOut.split('\n\n'))).toEqual([]);
  });
});
