export { InputError } from './errors.ts';
export { loadDataset, limit, type Dataset, type Split } from './datasets/index.ts';
export { stream, permutation, fillUniform, type Random } from './random.ts';
export { encodeSafetensors, decodeSafetensors, type Safetensors } from './safetensors.ts';
export { prefixed, under, type Tensor, type Tensors } from './tensor.ts';
export {
  openModel,
  openTraining,
  initialState,
  type Model,
  type Training,
  type ProgramFile,
  type SessionOptions,
} from './session.ts';
export { openSteps, type Metrics, type Steps } from './steps.ts';
export { evaluate, type Scores, type ClassifierScores, type Contestants } from './evaluate.ts';
export { train, type Progress, type Programs, type TrainOptions } from './train.ts';
export { devices, chooseDevice, deviceNames, type Device, type DeviceReport } from './devices/index.ts';
export { RunConfig, cellName } from './config.ts';
export {
  loadCheckpoint,
  saveCheckpoint,
  type Checkpoint,
  type EpochRecord,
  type Network,
  type Position,
} from './checkpoint.ts';
export {
  createRun,
  openRun,
  refuseExisting,
  configHash,
  recordEpoch,
  restoreRun,
  finishRun,
  type RunFolder,
  type Result,
  type CellResult,
  type Environment,
} from './run.ts';
export { drawSamples } from './samples.ts';
export type { Manifest, ManifestCell, CellModels, ModelFile } from './manifest.ts';
export { constrain, distances, type Constraint } from './constrain.ts';
export {
  Evaluation,
  attackNames,
  type AttackName,
  type AttackSettings,
  type CellEvaluation,
  type ClassifierEvaluation,
  type Curve,
  type Doubling,
  type Matrix,
  type Measure,
  type Player,
  type Warning,
} from './evaluation/schema.ts';
