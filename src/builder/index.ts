/**
 * Makes ONNX graphs and differentiates them.
 *
 * @module sparring/builder
 */

export * from './ir.ts';
export * from './shape.ts';
export * from './ops.ts';
export { grad, pullback, hasGradient, reachedInputs, gradientStops, differentiableInputs } from './grad.ts';
export * as nn from './nn.ts';
export {
  sgd,
  adam,
  averaged,
  averagePrefix,
  everyNth,
  projected,
  type Optimizer,
  type AdamOptions,
} from './optim.ts';
export {
  trainStep,
  jointStep,
  inference,
  bindWeights,
  readback,
  type Program,
  type ProgramMetadata,
  type Port,
  type StatePort,
  type TrainStep,
  type JointStep,
  type Learner,
  type Inference,
} from './program.ts';
export { repeatSteps, asTheyAre, type Resident } from './repeat.ts';
export { rewrite, bind, type Rule } from './rewrite.ts';
export { bindDims, folded, foldConstants, knownShape } from './fold-constants.ts';
export { dimsOf } from './dims.ts';
export { evaluate as evaluateConstant } from './evaluate.ts';
export { foldBatchNorm } from './lower/batchnorm.ts';
export { quantizeWeights } from './quantize.ts';
export { lower, type Target } from './lower/index.ts';
export { print } from './print.ts';
