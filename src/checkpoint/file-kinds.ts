/**
 * What the files beside a checkpoint's weights are, by their names: those of a folder, which are copied, and those of a
 * repository, which are downloaded.
 * @module
 */

/** Configuration, tokenizers, templates, code and texts. */
const COMPANION =
  /(?:\.(?:json|jinja|txt|model|tiktoken|vocab|ya?ml|md|py)|^(?:LICENSE|LICENCE|NOTICE|USE_POLICY))$/i;

/** Indices of weights, such as `model.safetensors.index.json` and `pytorch_model.bin.index.json`. */
const INDEX = /\.index(?:\.[\w-]+)?\.json$/i;

/**
 * Weights of PyTorch, TensorFlow, JAX, Rust, ONNX, llama.cpp, OpenVINO, Core ML, LiteRT, ExecuTorch, TensorRT, NeMo, Paddle and
 * MLX, and the states of optimisers, which have the same endings; also in pieces, packed, or half downloaded.
 */
const WEIGHTS = new RegExp(
  [
    String.raw`\.(?:safetensors|bin|pth?|ckpt|distcp|nemo|h5|hdf5|keras|msgpack|ot|onnx|ort|gguf|ggml|llamafile|tflite|litertlm|task|pte|engine|mlmodel|pdparams|pdiparams|pdmodel)`,
    String.raw`(?:[._-](?:data|part\w*|incomplete|tmp|download|crdownload|aria2|split|index|meta|tar|zip|gz|zst|xz|bak|old|orig|\d+)(?:[._-].*)?)?$`,
    String.raw`|^(?:saved_model|frozen_.*)\.pb$|\.data-\d+-of-\d+$|^weights.*\.npz$|^openvino_.*\.xml$`,
  ].join(''),
  'i',
);

/** Folders of other formats, of the original release's weights, of a training, and of what an earlier run said of itself. */
const OTHER_FOLDER =
  /^(?:original|onnx|openvino|coreml|metal|gguf|secateur|global_step\d+|checkpoint-\d+)\/|\.(?:mlpackage|mlmodelc)\//i;

const HIDDEN_FOLDER = /(?:^|\/)\.[^/]*\//;

/** Whether a file may belong to what a model needs beside its weights. */
export function isCompanion(path: string): boolean {
  return COMPANION.test(fileName(path)) && !INDEX.test(path);
}

/** Whether a file holds weights, in any format, or belongs to them. */
export function isWeights(path: string): boolean {
  return !isCompanion(path) && (INDEX.test(path) || WEIGHTS.test(fileName(path)));
}

/**
 * Why a file or a folder is neither copied nor downloaded: the same weights in another format would no longer belong to the
 * safetensors beside them.
 * @param path relative to the model, `/` between parts; that of a folder ends in `/`
 * @returns undefined for what belongs to the model
 */
export function leftOutReason(path: string): string | undefined {
  if (HIDDEN_FOLDER.test(path)) return 'a hidden folder';
  if (OTHER_FOLDER.test(path)) return 'not part of the model';
  return isWeights(path) ? 'weights that were not read, or the state of a training' : undefined;
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
