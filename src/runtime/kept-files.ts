/**
 * Files that a thread keeps open, each for as long as its path leads to it.
 * @module
 */
import { statSync } from 'node:fs';

interface KeptFile<File> {
  readonly file: File;
  readonly device: bigint;
  readonly inode: bigint;
}

export class KeptFiles<File> {
  readonly #open: (path: string) => File;
  readonly #close: (file: File) => void;
  readonly #kept = new Map<string, KeptFile<File>>();

  constructor(open: (path: string) => File, close: (file: File) => void) {
    this.#open = open;
    this.#close = close;
  }

  /**
   * The file at `path`, opened if it isn't the one that was there the last time: another of the same name may have taken
   * its place since then. An inode that is open is given to no other file, so it says which file it is.
   *
   * @throws the system's error when there is none, or as `open`
   */
  at(path: string): File {
    const { dev: device, ino: inode } = statSync(path, { bigint: true });
    const kept = this.#kept.get(path);
    if (kept?.inode === inode && kept.device === device) return kept.file;
    if (kept) {
      this.#kept.delete(path);
      this.#close(kept.file);
    }
    const file = this.#open(path);
    this.#kept.set(path, { file, device, inode });
    return file;
  }
}
