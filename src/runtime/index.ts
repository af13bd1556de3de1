/**
 * Runs models and training programs, and reads data sets.
 *
 * @module sparring/runtime
 */

export * from './browser.ts';
export { expectedData, loadDataset, openImages } from './data/formats.ts';
export { labelledBy } from './data/answers.ts';
export type { Dataset, ImageOptions, TrainingSet } from './data/dataset.ts';
export {
  inMemory,
  limit,
  storedSource,
  type ImageSource,
  type Stored,
  type StoredSource,
} from './data/source.ts';
export { digits, loadDigits, loadSameDigits, paperData, type Digits } from './experiment/digits.ts';
export {
  evaluate,
  evaluateNoise,
  type Scores,
  type ClassifierScores,
  type BothScores,
  type Evaluated,
  type TrainedModels,
} from './experiment/scores.ts';
export {
  Trainer,
  Diverged,
  type Step,
  type Means,
  type Epoch,
  type TrainerOptions,
} from './training/trainer.ts';
export {
  trainClassifiers,
  trainCell,
  modelsOf,
  type Progress,
  type Programs,
  type ClassifierOptions,
  type CellOptions,
} from './experiment/train.ts';
export { devices, chooseDevice, deviceNames, type Device, type DeviceReport } from './devices/index.ts';
export {
  RunConfig,
  architectures,
  readings,
  modes,
  paperModes,
  cellsOf,
  cellName,
  classifiersOf,
  classifiersName,
  configHash,
  hasTransfer,
  type CellConfig,
  type ClassifierConfig,
  type DefenceConfig,
  type Mode,
} from './experiment/config.ts';
export { loadCheckpoint, saveCheckpoint, type Checkpoint, type Position } from './experiment/checkpoint.ts';
export { EpochRecord, ClassifierRecord, type Network } from './experiment/records.ts';
export {
  beginRun,
  createRun,
  isEmptyRun,
  isRun,
  reserveFolder,
  openRun,
  readResult,
  refuseExisting,
  restoreRun,
  atTheBeginning,
  runFolder,
  cellFolder,
  classifierCheckpoint,
  type NewRun,
  type RunFolder,
  type CellFolder,
  type RunState,
} from './experiment/folder.ts';
export {
  accuracyByClass,
  collapseOf,
  describeCollapse,
  type BeforeAfter,
  type Collapse,
  type Confusion,
} from './audit/confusion.ts';
export { classifiersShown } from './experiment/config.ts';
export { collapseLines, readConfusions } from './experiment/confusion-file.ts';
export { type Confusions } from './experiment/records.ts';
export { mergeResults, Result, type CellResult, type Environment } from './experiment/result.ts';
export { sweep, type SweepEvent, type SweepOptions } from './experiment/sweep.ts';
export type { Manifest, ManifestCell, CellModels, ModelFile } from './experiment/manifest.ts';
export { constrain, distances, type Constraint } from './attacks/constrain.ts';
export {
  Evaluation,
  type CellEvaluation,
  type Curve,
  type Doubling,
  type Matrix,
  type Player,
  type Warning,
} from './experiment/evaluation.ts';
export {
  attackNames,
  type AttackName,
  type AttackSettings,
  type ClassifierEvaluation,
  type Measure,
} from './audit/schema.ts';
export { checkCells, evaluateCells, type EvaluationProgress } from './experiment/evaluate.ts';
export { openJournal, journalPath, type Journal } from './experiment/journal.ts';
export { whatIsFuller, readEvaluation, type Planned } from './experiment/fuller.ts';
export { readFinishedRun, type Cell, type FinishedRun } from './experiment/cells.ts';
export { crossAttack, type MatrixCell } from './experiment/matrix.ts';
export { evaluationFrom, probeWriting, writeEvaluation } from './experiment/write.ts';
export { warningsOf } from './experiment/checks.ts';
export { lockRun, type RunLock } from './experiment/lock.ts';
