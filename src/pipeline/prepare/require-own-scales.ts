/**
 * Linears that are encoded as they were need scales that are theirs alone.
 * @module
 */
import { RequestError } from '../../errors.js';
import type { StoredFloatTensor } from '../../forward/stored-tensor.js';
import { elementCount } from '../../graph/value.js';
import { describedTensors, storedName } from '../../model/check-tensors.js';
import { MXFP4_GROUP } from '../../runtime/mxfp4-codec.js';
import { isEncoded } from '../../runtime/tensor-file.js';
import { layerWeightName } from './layer-plan.js';
import type { PreparedRun } from './prepare-run.js';

/** @throws RequestError naming the first linear that is pruned and shares a scale with another */
export function requireOwnScales({
  model,
  layers,
  locate,
  tensors,
}: Pick<PreparedRun, 'model' | 'layers' | 'locate' | 'tensors'>): void {
  const wholes = new Map(describedTensors(model).map((tensor) => [tensor.name, storedName(tensor)]));
  for (const layer of layers) {
    const { pattern, name } = layer;
    if (pattern === 'dense') continue;
    const weight = layerWeightName(layer);
    const whole = tensors.get(wholes.get(weight) ?? weight);
    if (whole && sharesScales(locate(weight), elementCount(whole.shape))) {
      throw new RequestError(
        `write.dtype same: ${name} shares scales of ${whole.name} with what else it holds; set write.dtype to auto`,
      );
    }
  }
}

function sharesScales({ file, offset, shape }: StoredFloatTensor, wholeElements: number): boolean {
  if (typeof file === 'string' || !isEncoded(file)) return false;
  const [, columns = 1] = shape;
  const elements = elementCount(shape);
  const first = offset / 4;
  if ('strides' in file) {
    const { whole, strides } = file;
    const { offset: start, runStride, rowStride, columnStride } = strides;
    if (typeof whole === 'string' || whole.encoding === 'fp8' || columnStride !== 1) return true;
    return [columns, first, start, runStride, rowStride].some((each) => each % MXFP4_GROUP !== 0);
  }
  if (file.encoding === 'mxfp4') return [first, elements].some((each) => each % MXFP4_GROUP !== 0);
  const band = file.block[0] * file.columns;
  const endsBand = elements % band === 0 || first + elements === wholeElements;
  return columns !== file.columns || first % band !== 0 || !endsBand;
}
