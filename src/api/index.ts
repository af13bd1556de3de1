export type { OpenClassifier, OpenOptions } from './classifier.ts';
export type { LoadOptions } from './load.ts';
export type { SelfCheck } from './self-check.ts';
export type { AdoptOptions, Scale } from '../models/classifier/options.ts';
export type { Fact, Origin } from '../models/classifier/classifier.ts';
export type { Examples } from './examples.ts';
export type { Method, MethodOptions } from './method.ts';
export type { CommonOptions, Progress } from './run.ts';
export { attack, type Attacked, type AttackOptions } from './attack.ts';
export { audit, type AuditOptions, type AuditResult } from './audit.ts';
export type { Audited } from '../runtime/audit/conduct.ts';
export type { AuditEvent } from '../runtime/audit/work.ts';
export type { Check, Demand, Figures } from '../runtime/audit/document.ts';
export { InputError } from '../runtime/errors.ts';
export type { ImageSource } from '../runtime/data/source.ts';
export type { Device } from '../runtime/devices/index.ts';
export type { Interval } from '../runtime/audit/wilson.ts';
export type {
  Goal,
  Images,
  ImageShape,
  Logits,
  LossName,
  Norm,
  Oracle,
  Slope,
  ThreatModel,
} from '../runtime/attacks/index.ts';
