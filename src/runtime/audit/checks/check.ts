import type { Generator, Trained } from '../../attacks/index.ts';
import type { Audit, Check } from '../document.ts';
import type { Probe } from '../probe.ts';

/** All that the checks look at: gathered before, so that each check is a pure function. */
export interface Evidence extends Pick<
  Audit,
  'attacks' | 'byClass' | 'clean' | 'curve' | 'images' | 'threat' | 'worst'
> {
  readonly classes: number;
  /** The least and the largest eps, or the only one, that each trained attacker was trained for. */
  readonly trainedFor: Readonly<Partial<Record<Trained, Generator['eps']>>>;
  /** With so much room every image can become grey, so that all are alike. */
  readonly largeEps: number;
  readonly gradient: Audit['classifier']['gradient'];
  readonly labels: Audit['data']['labels'];
  readonly probe: Probe;
  /** Attacked images that were rounded to 8 bits: how many were tried, and how many are still wrong. Null without any. */
  readonly rounded: { readonly tried: number; readonly kept: number } | null;
  /** Null where it was not tried. */
  readonly preparations: Preparations | null;
  /** Whether an accuracy is demanded. */
  readonly demanded: boolean;
}

/** The accuracy on some clean images, as their pixels are prepared and if they were prepared otherwise. */
export interface Preparations {
  readonly images: number;
  readonly accuracy: number;
  /** By the option that says so: `--scale 0..255`. */
  readonly others: readonly { readonly option: string; readonly accuracy: number }[];
}

/** A check, of one subject. */
export interface AuditCheck {
  readonly id: string;
  readonly why: string;
  readonly whatToDo: string;
  /** Whether what it looks at was measured; where it was not, nothing is found and nothing is claimed. Always, unless given. */
  readonly applies?: (seen: Evidence) => boolean;
  /** What was found, in one line, and what it says about the numbers; null where all is well. Asked only where it applies. */
  readonly look: (seen: Evidence) => Found | null;
}

/** See {@link Check}. */
export interface Found extends Pick<Check, 'level' | 'title'> {
  /** Where it is another than that of the check. */
  readonly whatToDo?: string;
}

export const doubt = (title: string): Found => ({ level: 'doubt', title });
export const note = (title: string): Found => ({ level: 'note', title });

/** A fraction for people. */
export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** The attacks that follow the gradient, by name. */
export const gradientAttacks = ({ attacks }: Pick<Evidence, 'attacks'>): readonly string[] =>
  Object.keys(attacks).filter((name) => attacks[name]!.access === 'gradient');

/** Differences up to this are a few images, not a finding. */
export const slack = 0.001;

/**
 * The accuracy of guessing: always the most frequent class, or any. Of images of one class alone the first says nothing: it
 * would be 1.
 */
export const chanceOf = ({
  byClass,
  images,
  classes,
}: Pick<Evidence, 'byClass' | 'images' | 'classes'>): number =>
  Math.max(1 / classes, ...(byClass.length < 2 ? [] : byClass.map((row) => row.images / images)));
