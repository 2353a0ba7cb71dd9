/**
 * Chat templates: a conversation → the text that the model was trained to see.
 * @module
 */
import { Worker } from 'node:worker_threads';
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import type { ChatMessage } from './chat-message.js';
import type { ChatTemplateAnswer, ChatTemplateProgram } from './chat-template-worker.js';
import { maximumDocumentBytes } from './text-document.js';

/** Memory of a template's thread: some copies of the longest conversation, and no more. */
const maximumHeapMegabytes = 64;

/** Milliseconds of computing that a conversation gets; published templates take a few. */
const millisecondsToRender = 500;

/** Characters that it gets another millisecond for; templates go through some megabytes a second. */
const charactersPerMillisecond = 1000;

/** Milliseconds of computing to start the thread and read the template. */
const millisecondsToStart = 2000;

/** From where the thread loads, whether the main thread runs from `src/` or `dist/`. */
const workerFile = new URL('dist/calibration/chat-template-worker.js', packageRoot);

/** Renders messages to text. Rejects with RequestError when the template refuses them. */
export type ChatTemplate = (messages: readonly ChatMessage[]) => Promise<string>;

/** One thread, one conversation at a time. */
class TemplateThread {
  readonly #worker: Worker;
  /** What ended the thread; it answers nothing any more. */
  #end: string | undefined;
  #answered: ((answer: ChatTemplateAnswer) => void) | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(program: ChatTemplateProgram) {
    this.#worker = new Worker(workerFile, {
      workerData: program,
      resourceLimits: {
        maxOldGenerationSizeMb: maximumHeapMegabytes,
        maxYoungGenerationSizeMb: 8,
        stackSizeMb: 2,
      },
      stdout: true,
      stderr: true,
    });
    this.#worker.on('message', (answer: ChatTemplateAnswer) => this.#answered?.(answer));
    this.#worker.on('error', (error: NodeJS.ErrnoException) => {
      const memory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      this.#stop(memory ? `it takes more than ${maximumHeapMegabytes} MB of memory` : error.message);
    });
    this.#worker.unref();
  }

  /** The template's first answer, to nothing. */
  start(): Promise<ChatTemplateAnswer> {
    return this.#ask(millisecondsToStart, () => {});
  }

  render(messages: readonly ChatMessage[]): Promise<ChatTemplateAnswer> {
    const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
    const next = this.#queue.then(() =>
      this.#ask(millisecondsToRender + characters / charactersPerMillisecond, () =>
        this.#worker.postMessage(messages),
      ),
    );
    this.#queue = next;
    return next;
  }

  #stop(reason: string): void {
    this.#end = reason;
    void this.#worker.terminate();
    this.#answered?.({ problem: reason });
  }

  /** Sends, and waits until there is an answer or the process has computed for that long without one. */
  #ask(milliseconds: number, send: () => void): Promise<ChatTemplateAnswer> {
    if (this.#end !== undefined) return Promise.resolve({ problem: this.#end });
    return new Promise((resolve) => {
      const before = process.cpuUsage();
      // Kept alive by the timer, the thread itself keeps nothing alive.
      const timer = setInterval(() => {
        const { user, system } = process.cpuUsage(before);
        if ((user + system) / 1000 > milliseconds) this.#stop('it does not come to an end');
      }, milliseconds / 10);
      this.#answered = (answer) => {
        clearInterval(timer);
        this.#answered = undefined;
        resolve(answer);
      };
      send();
    });
  }
}

/**
 * Compiles a chat template as `transformers` does (Jinja with blocks trimmed, the special tokens as variables, no
 * generation prompt), except that its date is always 26 July 2024, the day Llama's templates fall back to. It runs in a
 * thread of its own, which ends when it takes too long or too much memory.
 * @param source the Jinja text
 * @param name of the file, for messages
 * @param specialTokens such as `bos_token`
 * @throws RequestError when the template's syntax is wrong
 */
export async function compileChatTemplate(
  source: string,
  name: string,
  specialTokens: Readonly<Record<string, string>>,
): Promise<ChatTemplate> {
  const thread = new TemplateThread({ source, specialTokens, maximumText: maximumDocumentBytes });
  const started = await thread.start();
  if ('problem' in started)
    throw new RequestError(`${name}: the chat template cannot be read: ${shortened(started.problem)}`);
  return async (messages) => {
    const answer = await thread.render(messages);
    if ('text' in answer) return answer.text;
    throw new RequestError(`${name}: the chat template refuses these messages: ${shortened(answer.problem)}`);
  };
}
