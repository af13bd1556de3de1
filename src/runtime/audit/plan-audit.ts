import {
  attackNames,
  attackOf,
  isTrained,
  unsuited,
  type AttackName,
  type Configured,
  type Oracle,
  type SettingsOf,
  type ThreatModel,
  type Untrained,
} from '../attacks/index.ts';
import { valuesOf } from '../data/source.ts';
import { InputError } from '../errors.ts';
import type { Audit } from './document.ts';
import { blockSizeFor, type AuditPlan, type PlannedAttack, type PlannedCurve } from './plan.ts';
import { presets } from './presets.ts';

export const presetNames = Object.keys(presets) as readonly PresetName[];
export type PresetName = keyof typeof presets;

/** An attack of a list. */
export type Listed = AttackName | Configured<Untrained>;

/** What is asked of an audit. */
export interface AuditRequest {
  readonly norm: ThreatModel['norm'];
  /** In the unit of pixels in 0..1, above 0. */
  readonly eps: number;
  /** A preset, or attacks: by name with their default settings, or with settings of their own. */
  readonly attacks: PresetName | readonly Listed[];
  /** Eps of the curve; null for those that suit. Empty for no curve. */
  readonly curve: readonly number[] | null;
  readonly seed: number;
  /** Images at a time; null for as many as suit their size. */
  readonly batchSize: number | null;
}

/** A plan, and what of the request it leaves out. */
export interface Planned {
  readonly plan: AuditPlan;
  readonly notMeasured: Audit['notMeasured'];
}

/** Attacks that are cheap, so that they are given all images: their accuracies can be compared. */
const cheap: readonly AttackName[] = ['noise', 'fgsm', 'pgd', 'mi-fgsm', 'generator', 'universal'];

/** The first images, which the curve is measured on. */
const curveImages = 200;
/** What Square is given at least where nothing but queries is possible. */
const leastQueries = 1000;

/**
 * Plans an audit. What a preset has and the classifier does not allow is left out, and said. Attackers that were trained
 * for the classifier and come with it are run in any case.
 *
 * @throws InputError when an attack was asked for by name and cannot be run.
 */
export function planAudit(
  classifier: Pick<Oracle, 'image' | 'classes' | 'gradient' | 'generator' | 'universal'> & {
    readonly noGradient?: string | null;
  },
  { norm, eps, attacks, curve, seed, batchSize }: AuditRequest,
): Planned {
  const threat: ThreatModel = { norm, eps, range: [0, 1], goal: 'untargeted' };
  // the audit itself trains what transfer needs
  const lackOf = (name: AttackName): string | null =>
    name === 'transfer' ? null : unsuited(name, classifier as Oracle, threat);
  const pgd = pgdFor(attacks, classifier.image);
  const own: Own = { pgd, transfer: transferFor(classifier.image) };
  const brought = attackNames.filter((name) => isTrained(name) && classifier[name]);
  const wanted =
    typeof attacks === 'string'
      ? ofPreset(attacks, classifier, own, brought)
      : ofList([...attacks, ...brought], own);
  const lacking = wanted.flatMap(({ configured: { attack } }) => {
    const lack = lackOf(attack);
    return lack === null ? [] : [{ what: attack, why: lack }];
  });
  if (typeof attacks !== 'string' && lacking.length > 0) {
    const { noGradient } = classifier;
    throw new InputError(`${lacking[0]!.why}${noGradient ? ` (${noGradient})` : ''}`);
  }
  const possible = named(wanted.filter(({ configured: { attack } }) => lackOf(attack) === null));
  const doubling = typeof attacks === 'string' ? doubled('pgd', possible) : doubledOfList(possible);
  const follows = possible.some(({ configured: { attack } }) => attackOf(attack).access === 'gradient');
  return {
    plan: {
      threat,
      attacks: [...possible, ...doubling],
      curve: curveOf(curve ?? usualCurve(threat, classifier.image), {
        configured: follows
          ? { attack: 'pgd', settings: pgd }
          : { attack: 'square', settings: { ...attackOf('square').defaults, queries: leastQueries / 2 } },
        images: curveImages,
      }),
      seed,
      blockSize: batchSize ?? blockSizeFor(classifier.image),
    },
    notMeasured: lacking
      .filter(({ what }, i) => lacking.findIndex((other) => other.what === what) === i)
      .map(({ what, why }) => ({ what, why: why.replace('; leave it out', '') })),
  };
}

/** Larger images than this take so long that `quick` has half of PGD's steps. */
const largePixels = 64 * 64;

/** PGD's settings, of the table and the curve. */
function pgdFor(attacks: AuditRequest['attacks'], { height, width }: Oracle['image']): SettingsOf<'pgd'> {
  const halved = attacks === 'quick' && height * width > largePixels;
  return { ...attackOf('pgd').defaults, steps: halved ? 20 : 40 };
}

/** Bytes of the images that a surrogate learns from: they are kept in memory. */
const lessonBytes = 512 * 2 ** 20;

/** The settings of transfer: from large images it learns less. */
function transferFor(image: Oracle['image']): SettingsOf<'transfer'> {
  const { defaults } = attackOf('transfer');
  const isLarge = image.height * image.width > largePixels;
  const rounds = isLarge ? 2 : defaults.rounds;
  const most = Math.floor(lessonBytes / (4 * valuesOf(image) * (rounds + 1)));
  return { ...defaults, rounds, images: Math.max(1, Math.min(defaults.images, most)) };
}

/** Whether an attack has converged: twice the steps on what is left of the first images. None where it is not planned. */
function doubled(attack: AttackName, planned: readonly PlannedAttack[]): readonly PlannedAttack[] {
  const { configured } = planned.find(({ name }) => name === attack) ?? {};
  if (!configured || !('steps' in configured.settings)) return [];
  const settings = { ...configured.settings, steps: 2 * configured.settings.steps };
  return [
    {
      name: `${attack}-doubled`,
      configured: { attack, settings } as Configured,
      given: 'left',
      most: 200,
    },
  ];
}

/** The iterative attacks of which one is tried with twice the steps, the strongest first. */
const iterative: readonly AttackName[] = ['apgd', 'pgd', 'mi-fgsm'];

/** Nobody asked for it, where attacks are listed: it tells whether they converge, and does not count. */
const doubledOfList = (planned: readonly PlannedAttack[]): readonly PlannedAttack[] =>
  iterative
    .flatMap((attack) => doubled(attack, planned))
    .slice(0, 1)
    .map((each) => ({ ...each, probe: true }));

/** The settings that are not the defaults of an attack, because they depend on the classifier. */
type Own = { readonly [K in 'pgd' | 'transfer']: SettingsOf<K> };

const byDefault = (attack: AttackName, own: Own): Configured =>
  ({
    attack,
    settings: attack === 'pgd' || attack === 'transfer' ? own[attack] : attackOf(attack).defaults,
  }) as Configured;

type Unnamed = Pick<PlannedAttack, 'configured' | 'given'>;

/** Attacks in the order of the table, each with its own settings, the default ones, or those that suit the classifier. */
function ofList(listed: readonly Listed[], own: Own): readonly Unnamed[] {
  const all = listed.map((each) => (typeof each === 'string' ? byDefault(each, own) : each));
  return all
    .filter((each, i) => all.findIndex((other) => isSame(each, other)) === i)
    .toSorted((a, b) => attackNames.indexOf(a.attack) - attackNames.indexOf(b.attack))
    .map((configured) => ({ configured, given: cheap.includes(configured.attack) ? 'all' : 'left' }));
}

const isSame = (one: Configured, other: Configured): boolean => JSON.stringify(one) === JSON.stringify(other);

/**
 * The cheap attacks on all images, then those of a preset, each on what is left. Without a gradient of the classifier that
 * of a surrogate is followed, before Square.
 */
function ofPreset(
  preset: PresetName,
  { gradient }: Pick<Oracle, 'gradient'>,
  settings: Own,
  brought: readonly AttackName[],
): readonly Unnamed[] {
  const surrogate = gradient ? [] : (['transfer'] as const);
  const floor = ofList(['noise', 'fgsm', 'pgd', ...surrogate, ...brought], settings);
  const own: readonly Configured[] = presets[preset];
  const isNew = (each: Configured): boolean => !floor.some(({ configured }) => isSame(configured, each));
  return [
    ...floor,
    ...own
      .filter(isNew)
      .map((each) => ({ configured: gradient ? each : searching(each), given: 'left' as const })),
  ];
}

/** Where nothing but queries is possible, Square has more of them. */
const searching = (each: Configured): Configured =>
  each.attack === 'square'
    ? { ...each, settings: { ...each.settings, queries: Math.max(each.settings.queries, leastQueries) } }
    : each;

/** With a number where an attack stands there again. */
const named = (all: readonly Unnamed[]): readonly PlannedAttack[] =>
  all.map(({ configured, given }, i) => {
    const { attack } = configured;
    const before = all.slice(0, i).filter((each) => each.configured.attack === attack).length;
    return { name: before === 0 ? attack : `${attack}-${before + 1}`, configured, given, most: null };
  });

const curveOf = (eps: readonly number[], rest: Omit<PlannedCurve, 'eps'>): PlannedCurve | null =>
  eps.length === 0 ? null : { eps: eps.toSorted((a, b) => a - b), ...rest };

/** With so much room every image can become grey, so that all are alike. */
export const largeEpsOf = ({ norm }: Pick<ThreatModel, 'norm'>, image: Oracle['image']): number =>
  norm === 'linf' ? 0.5 : 0.5 * Math.sqrt(valuesOf(image));

function usualCurve(threat: ThreatModel, image: Oracle['image']): readonly number[] {
  const { eps } = threat;
  const large = largeEpsOf(threat, image);
  return [...new Set([eps / 4, eps / 2, eps, 2 * eps, 4 * eps, large])].filter(
    (each) => each <= Math.max(eps, large),
  );
}
