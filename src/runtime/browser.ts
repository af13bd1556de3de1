// What of the runtime runs in a browser too: sessions, training steps, attacks. No files, no processes.
export { InputError } from './errors.ts';
export { stream, permutation, fillUniform, type Random } from './random.ts';
export { encodeSafetensors, decodeSafetensors, type Safetensors } from './safetensors.ts';
export type { Tensor, Tensors } from './tensor.ts';
export {
  openModel,
  openTraining,
  initialState,
  type Model,
  type Training,
  type ProgramFile,
  type SessionOptions,
} from './session.ts';
export { openSteps, type Metrics, type Steps } from './training/steps.ts';
export {
  attacks,
  attackOf,
  balls,
  drawsOf,
  scoresOf,
  to8Bits,
  toEnd,
  unsuited,
  type Access,
  type Attack,
  type Ball,
  type Batch,
  type Configured,
  type Draws,
  type Generator,
  type Goal,
  type Images,
  type ImageShape,
  type Logits,
  type LossName,
  type MiFgsmSettings,
  type NoSettings,
  type Norm,
  type Oracle,
  type PgdSettings,
  type Score,
  type SettingsOf,
  type Slope,
  type ThreatModel,
} from './attacks/index.ts';
export { openOracle, type OpenOracle, type OracleFiles, type Queries } from './audit/oracle.ts';
export { checkClassifier, type Finding } from './audit/classifier-checks.ts';
export { wilson, type Interval } from './audit/wilson.ts';
export type { Device } from './devices/index.ts';
