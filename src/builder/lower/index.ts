import type { AnyNode, Graph, Node, Value, Ops } from '../ir.ts';
import { apply, reduceMean } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { foldBatchNorm, foldFactors, scaleAndShift, scaleBatchNorm } from './batchnorm.ts';
import { traits } from '../attributes.ts';
import { acrossBatch } from './across.ts';
import { dropExpands } from './expand.ts';
import { factorSums } from './factors.ts';
import { flattenChannelsLast } from './flattened.ts';
import { foldTransposes } from './fold.ts';
import { formOf, type Form, type Target } from './forms.ts';
import { convTransposeByConvs, isFrozen } from './frozen.ts';
import {
  convByGemm,
  convTransposeByColumns,
  convTransposeByFlip,
  convTransposeByPhases,
  convWeightGradByGemm,
} from './gemm.ts';
import { byGroups } from './groups.ts';
import {
  averagePoolByTaps,
  maxPoolByRows,
  maxPoolByTaps,
  maxPoolGradByMasks,
  maxPoolGradByRows,
} from './pool.ts';
import { sumsOfParts } from './parts.ts';
import { byPairs } from './pairs.ts';
import { byPoints } from './points.ts';
import { hasFewChannels, poolsInPhases } from './phases.ts';
import { sinkTransposes } from './layout.ts';
import {
  convByTwoGroups,
  convWeightGradByConv,
  maxPoolGradByScatter,
  maxPoolGradByUnpool,
} from './native.ts';
import { reduceByEdges } from './reduce.ts';
import { gatherScales } from './scales.ts';
import { share } from './share.ts';
import { stepsByHardSigmoid } from './steps.ts';
import { shiftsAfterPools } from './shifts.ts';
import { sumsByProduct } from './sums.ts';

export type { Target } from './forms.ts';

/**
 * The graph in ONNX operators only, in the forms that are fastest on `target`; `plain` writes each operator as ONNX has
 * it, which is what the other targets are tested against.
 */
export function lower(graph: Graph, target: Target): Graph {
  const place = target === 'cpu' && isFrozen(graph) ? 'frozen' : target;
  const inForms = (g: Graph, which: (node: AnyNode) => boolean = () => true): Graph =>
    share(rewrite(g, (node) => (which(node) ? inForm(node, formOf(node, place), target) : null)));
  const tidy = (g: Graph): Graph => foldTransposes(sinkTransposes(dropExpands(g)));
  if (target === 'plain') return foldTransposes(inForms(graph));
  if (place === 'cpu') {
    const passes = [foldBatchNorm, foldFactors, scaleBatchNorm, dropExpands, sumsOfParts, shiftsAfterPools];
    const prepared = passes.reduce((g, pass) => pass(g), graph);
    // pools follow from how the images stand that they read, and weight gradients of few channels from the pools
    const isLate = (node: AnyNode): boolean =>
      traits[node.op].pool === true || (node.op === 'ConvWeightGrad' && hasFewChannels(node.inputs[0]!));
    const formed = tidy(inForms(prepared, (node) => !isLate(node)));
    const all = tidy(inForms(poolsInPhases(formed), isLate));
    return share(sumsByProduct(tidy(flattenChannelsLast(all))));
  }
  const formed = inForms(foldBatchNorm(graph));
  // some forms are written with an operator that has a form of its own: a mask compares with the pool's maxima
  if (target === 'cuda') return share(reduceByEdges(tidy(inForms(formed))));
  if (target === 'software') return share(tidy(inForms(formed)));
  if (place === 'frozen') return share(tidy(factorSums(gatherScales(stepsByHardSigmoid(formed)))));
  return share(tidy(formed));
}

function inForm(node: AnyNode, form: Form, target: Target): readonly Value[] | null {
  switch (form) {
    case 'as it is':
      return null;
    case 'body': {
      const { body } = node.attrs as Ops['Loop']['attrs'];
      return apply('Loop', node.inputs as Ops['Loop']['inputs'], { body: lower(body, target) });
    }
    case 'input':
      return [node.inputs[0]!];
    case 'scatter':
      return [maxPoolGradByScatter(node as Node<'MaxPoolGrad'>)];
    case 'unpool':
      return [maxPoolGradByUnpool(node as Node<'MaxPoolGrad'>)];
    case 'masks':
      return [maxPoolGradByMasks(node as Node<'MaxPoolGrad'>)];
    case 'swapped convolution':
      return [convWeightGradByConv(node as Node<'ConvWeightGrad'>)];
    case 'gemm':
      return [
        node.op === 'Conv'
          ? convByGemm(node as Node<'Conv'>)
          : convWeightGradByGemm(node as Node<'ConvWeightGrad'>),
      ];
    case 'rows':
      return node.op === 'MaxPool'
        ? [maxPoolByRows(node as Node<'MaxPool'>), node.outputs[1]!]
        : [maxPoolGradByRows(node as Node<'MaxPoolGrad'>)];
    case 'pairs':
      return [byPairs(node)];
    case 'groups':
      return [byGroups(node)];
    case 'points':
      return [byPoints(node)];
    case 'across the batch':
      return [acrossBatch(node)];
    case 'two groups':
      return [convByTwoGroups(node as Node<'Conv'>)];
    case 'convolutions':
      return [convTransposeByConvs(node as Node<'ConvTranspose'>)];
    case 'taps':
      return node.op === 'AveragePool'
        ? [averagePoolByTaps(node as Node<'AveragePool'>)]
        : [maxPoolByTaps(node as Node<'MaxPool'>), node.outputs[1]!];
    case 'mean':
      return [meanOverSpace(node.inputs[0]!)];
    case 'scale and shift':
      return [scaleAndShift(node as Node<'BatchNormalization'>)];
    case 'phases':
      return [convTransposeByPhases(node as Node<'ConvTranspose'>)];
    case 'columns':
      return [convTransposeByColumns(node as Node<'ConvTranspose'>)];
    case 'flip':
      return [convTransposeByFlip(node as Node<'ConvTranspose'>)];
    default:
      return form satisfies never;
  }
}

/** GlobalAveragePool: [N,C,...] -> [N,C,1,...] */
const meanOverSpace = (x: Value): Value =>
  reduceMean(x, { axes: x.shape.slice(2).map((_, i) => i + 2), keepdims: true });
