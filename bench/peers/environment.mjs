/**
 * What the peers need: a Python environment, and the papers' repositories.
 * @module
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './processes.mjs';

const requirementsFile = fileURLToPath(new URL('requirements.txt', import.meta.url));

/** The papers' repositories at the commits that are measured, and the files that are imported. */
const PUBLISHED = {
  sparsegpt: {
    url: 'https://github.com/IST-DASLab/sparsegpt',
    commit: '147d2159dc4f3e9f73e47b32c04d7b3708f44436',
    files: {
      'sparsegpt.py': 'cca2ec0a006f963bc7750ebec8e2320aa2728fb242924cc3f2d5d23fb98530a7',
      'quant.py': 'c925dfeba1d4772bc50081a65bccd8dc73338860852d83a7daa80f501c4f7990',
    },
  },
  wanda: {
    url: 'https://github.com/locuslab/wanda',
    commit: '8e8fc87b4a2f9955baa7e76e64d5fce7fa8724a6',
    files: {
      'lib/layerwrapper.py': '5d2d01017407f61052a5adb11d8a9590f52147f9609ad01a141ae61ccbf9edd2',
    },
  },
};

/** Imports everything once, which also leaves compiled modules and warm caches, and tells the versions. */
const probe = `
import importlib.metadata, json, platform, sys
import datasets, llmcompressor.modifiers.pruning, torch, transformers
names = [line.split("==")[0] for line in open(sys.argv[1]) if "==" in line]
versions = {name: importlib.metadata.version(name) for name in names}
print(json.dumps({"python": platform.python_version(), **versions}))
`;

function installed(python, env) {
  if (!existsSync(python)) return undefined;
  try {
    const text = execFileSync(python, ['-c', probe, requirementsFile], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return JSON.parse(text.trim().split('\n').at(-1) ?? '');
  } catch {
    return undefined;
  }
}

function wanted() {
  const lines = readFileSync(requirementsFile, 'utf8').split('\n');
  return lines.filter((line) => line.includes('==')).map((line) => line.trim().split('=='));
}

/** What the Python processes run with: no network, no accelerator, `threads` threads. */
export function pythonEnvironment(threads) {
  return {
    ...process.env,
    HF_HUB_OFFLINE: '1',
    CUDA_VISIBLE_DEVICES: '',
    TOKENIZERS_PARALLELISM: 'false',
    OMP_NUM_THREADS: String(threads),
    MKL_NUM_THREADS: String(threads),
  };
}

/**
 * The Python of a virtual environment with `requirements.txt` in it, which is made or completed when it isn't so.
 * @returns its path and the versions
 */
export async function ensureEnvironment(venv, logs, say) {
  const python = join(venv, 'bin', 'python');
  const env = pythonEnvironment(1);
  const fits = (versions) =>
    versions !== undefined && wanted().every(([name, version]) => versions[name]?.split('+')[0] === version);
  let versions = installed(python, env);
  if (!fits(versions)) {
    say(`installing ${wanted().map((pair) => pair.join(' '))} into ${venv}`);
    if (!existsSync(python)) await run(['python3', '-m', 'venv', venv], { log: join(logs, 'venv.log') });
    await run([python, '-m', 'pip', 'install', '-r', requirementsFile], { log: join(logs, 'pip.log') });
    versions = installed(python, env);
    if (!fits(versions)) {
      throw new Error(`${venv}: after the installation the packages of ${requirementsFile} don't import`);
    }
  }
  return { python, versions };
}

/**
 * The papers' repositories in `folder`, fetched when they are absent.
 * @returns their commits
 * @throws {Error} when they can't be fetched, or the files that are imported are not those of these commits
 */
export async function ensurePublished(folder, logs, say) {
  const commits = {};
  for (const [name, { url, commit, files }] of Object.entries(PUBLISHED)) {
    const target = join(folder, name);
    if (!existsSync(target)) {
      say(`fetching ${url}`);
      const partial = `${target}.partial`;
      rmSync(partial, { recursive: true, force: true });
      mkdirSync(partial, { recursive: true });
      const git = (...args) =>
        run(['git', '-C', partial, ...args], {
          log: join(logs, `git-${name}.log`),
          env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
        });
      await git('init', '--quiet');
      await git('fetch', '--quiet', '--depth', '1', url, commit);
      await git('checkout', '--quiet', 'FETCH_HEAD');
      renameSync(partial, target);
    }
    for (const [file, hash] of Object.entries(files)) {
      const path = join(target, file);
      if (createHash('sha256').update(readFileSync(path)).digest('hex') !== hash) {
        throw new Error(`${path}: not the file of ${url} at ${commit}`);
      }
    }
    commits[name] = commit;
  }
  return commits;
}
